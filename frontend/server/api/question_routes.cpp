#include <charconv>
#include <utility>

#include "frontend/server/api/access.h"
#include "frontend/server/api/answer_stream.h"
#include "frontend/server/api/routes.h"
#include "frontend/server/dialects/chunked.h"
#include "frontend/server/dialects/sse.h"
#include "shared/base/ids.h"

namespace answermill::frontend {
namespace {

bool accepts(const Request& request, std::string_view type) {
  return request.header("accept").find(type) != std::string_view::npos;
}

template <class Number>
Result<Number> number_of(const Request& request, std::string_view name, Number absent) {
  const auto text = request.query_value(name);
  if (!text) return absent;
  Number number{};
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc() || end != text->data() + text->size()) {
    return Error{ErrorCode::kInvalidArgument, "\"" + std::string(name) + "\" must be a number."};
  }
  return number;
}

// The forms an answer can be had in, by what the client accepts.
enum class Form { kServerSentEvents, kLines, kText, kJson };

// Whoever can read events gets events; else the first of the forms that is named.
Form form_of(const Request& request, Form otherwise) {
  if (accepts(request, sse::kType)) return Form::kServerSentEvents;
  std::size_t first = std::string_view::npos;
  for (const auto& [type, form] : {std::pair{std::string_view(chunked::kLinesType), Form::kLines},
                                   std::pair{std::string_view("text/plain"), Form::kText},
                                   std::pair{std::string_view(kJsonContentType), Form::kJson}}) {
    const std::size_t place = request.header("accept").find(type);
    if (place >= first) continue;
    first = place;
    otherwise = form;
  }
  return otherwise;
}

Result<Shape> shape_of(const Request& request, Form form) {
  const auto name = request.query_value("shape");
  if (!name) return form == Form::kText ? Shape::kTokens : Shape::kEvents;
  if (*name == "tokens") return Shape::kTokens;
  if (*name == "buffered") return Shape::kBuffered;
  if (*name == "events" && form != Form::kText) return Shape::kEvents;
  return Error{ErrorCode::kInvalidArgument,
               "\"shape\" is tokens or buffered, or events where the form has them."};
}

Result<Gathering> gathering_of(const Request& request) {
  constexpr std::uint64_t kMaxBytes = 65'536;
  constexpr std::uint64_t kMaxMilliseconds = 10'000;
  const auto bytes = number_of<std::uint64_t>(request, "buffer_bytes", Gathering{}.bytes);
  if (!bytes) return bytes.error();
  const auto delay = number_of<std::uint64_t>(request, "buffer_ms", Gathering{}.delay.count());
  if (!delay) return delay.error();
  if (*bytes < 1 || *bytes > kMaxBytes || *delay < 1 || *delay > kMaxMilliseconds) {
    return Error{ErrorCode::kInvalidArgument, "buffer_bytes is 1 to 65536, buffer_ms 1 to 10000."};
  }
  return Gathering{*bytes, std::chrono::milliseconds(*delay)};
}

Result<StreamReply> stream_reply(const Request& request, Form form, Place place) {
  const auto shape = shape_of(request, form);
  if (!shape) return shape.error();
  StreamReply reply;
  if (*shape == Shape::kBuffered) {
    const auto gathering = gathering_of(request);
    if (!gathering) return gathering.error();
    reply.gathering = *gathering;
  }
  if (form == Form::kText) {
    const auto offset = number_of<std::uint64_t>(request, "offset", 0);
    if (!offset) return offset.error();
    reply.wire = chunked::text_wire(*offset);
  } else if (form == Form::kLines) {
    reply.wire = chunked::lines_wire(*shape, place);
  } else {
    reply.wire = sse::answer_wire(*shape, place);
  }
  return reply;
}

void ask(const AnswerContext& context, const Request& request, const ResponderPtr& responder) {
  auto body = parse_ask(request.body);
  if (!body) return send_error(*responder, body.error());
  Question question;
  question.caller = request.caller;
  question.question = std::move(body->question);
  question.collection = std::move(body->collection);
  question.conversation = std::move(body->conversation);
  question.request_id = std::move(body->request_id);
  question.documents = std::move(body->documents);
  question.topic = context.questions.topic();
  const Form form = form_of(request, Form::kServerSentEvents);
  if (form == Form::kJson) return collect_ask(context, std::move(question), responder, {encode_answer});
  auto reply = stream_reply(request, form, {});
  if (!reply) return send_error(*responder, reply.error());
  stream_ask(context, std::move(question), responder, std::move(*reply));
}

void search(const AnswerContext& context, const Request& request, const ResponderPtr& responder) {
  const auto k = number_of<std::uint64_t>(request, "k", 0);
  if (!k) return send_error(*responder, k.error());
  const auto threshold = number_of<double>(request, "threshold", -1.0);
  if (!threshold) return send_error(*responder, threshold.error());
  Search search{request.query_value("q").value_or(""), request.query_value("collection").value_or(""), *k,
                *threshold, request.caller};
  const std::string query = search.query;
  context.questions.search(std::move(search), [responder, query](const Result<Found>& found) {
    if (!found) return send_error(*responder, found.error());
    send_json(*responder, 200, encode_search(query, found->collection, found->sources, found->took_ms));
  });
}

void resume(const AnswerContext& context, const Request& request, const ResponderPtr& responder) {
  const std::string& stream = request.captures.at(0);
  if (topic_of_stream(stream).empty()) {
    return send_error(*responder, {ErrorCode::kNotFound, "There is no stream with this id."});
  }
  AnswerView known;
  known.stream = stream;
  const Form form = form_of(request, Form::kJson);
  if (form == Form::kJson) return collect_answer(context, std::move(known), responder, {encode_stream});
  auto after_seq = number_of<std::uint64_t>(request, "after_seq", 0);
  if (!after_seq) return send_error(*responder, after_seq.error());
  const auto last = request.header("last-event-id");
  std::uint64_t seen = 0;
  if (std::from_chars(last.data(), last.data() + last.size(), seen).ec == std::errc()) *after_seq = seen;
  auto reply = stream_reply(request, form, {*after_seq, true});
  if (!reply) return send_error(*responder, reply.error());
  stream_answer(context, std::move(known), responder, std::move(*reply));
}

Result<ConversationRow> reachable_conversation(Catalog& catalog, const Caller& caller,
                                               const std::string& id) {
  auto row = catalog.conversation("", id);
  if (row && !caller.reaches(row->collection)) return no_conversation();
  return row;
}

void conversation(const AnswerContext& context, const Request& request, const ResponderPtr& responder) {
  struct Whole {
    ConversationRow row;
    std::vector<MessageRow> messages;
  };
  context.services.catalog.run(
      [id = request.captures.at(0), caller = request.caller](Catalog& catalog) -> Result<Whole> {
        auto row = reachable_conversation(catalog, caller, id);
        if (!row) return row.error();
        auto messages = catalog.messages_of(id);
        if (!messages) return messages.error();
        return Whole{std::move(*row), std::move(*messages)};
      },
      [responder](const Result<Whole>& whole) {
        if (!whole) return send_error(*responder, whole.error());
        send_json(*responder, 200, encode_conversation(whole->row, whole->messages));
      });
}

}  // namespace

void add_question_routes(Router& router, const AnswerContext& context) {
  router.route("POST", "/api/ask", kAsks, [context](const Request& request, const ResponderPtr& responder) {
    ask(context, request, responder);
  });
  router.route("GET", "/api/search", kNeedsRead,
               [context](const Request& request, const ResponderPtr& responder) {
                 search(context, request, responder);
               });
  router.route("GET", "/api/streams/{id}", kReadsAnswers,
               [context](const Request& request, const ResponderPtr& responder) {
                 resume(context, request, responder);
               });
  router.route("POST", "/api/streams/{id}/cancel", kTalks,
               [context](const Request& request, const ResponderPtr& responder) {
                 if (topic_of_stream(request.captures.at(0)).empty()) {
                   return send_error(*responder, {ErrorCode::kNotFound, "There is no stream with this id."});
                 }
                 context.services.hub.cancel(request.captures.at(0));
                 send_json(*responder, 202, encode_flag("cancelling"));
               });
  router.route("GET", "/api/conversations", kTalks,
               [context](const Request& request, const ResponderPtr& responder) {
                 context.services.catalog.run(
                     [](Catalog& catalog) { return catalog.conversations(""); },
                     [responder, caller = request.caller](Result<std::vector<ConversationRow>> rows) {
                       if (rows)
                         keep_reachable(*rows, caller, [](const auto& row) { return row.collection; });
                       if (!rows) return send_error(*responder, rows.error());
                       send_json(*responder, 200, encode_conversations(*rows));
                     });
               });
  router.route("GET", "/api/conversations/{id}", kTalks,
               [context](const Request& request, const ResponderPtr& responder) {
                 conversation(context, request, responder);
               });
  router.route("DELETE", "/api/conversations/{id}", kNeedsWrite,
               [context](const Request& request, const ResponderPtr& responder) {
                 context.services.catalog.run(
                     [id = request.captures.at(0), caller = request.caller](Catalog& catalog) -> Status {
                       if (auto row = reachable_conversation(catalog, caller, id); !row) return row.error();
                       return catalog.delete_conversation("", id);
                     },
                     [responder](const Status& gone) {
                       if (!gone) return send_error(*responder, gone.error());
                       send_json(*responder, 200, encode_flag("deleted"));
                     });
               });
}

void add_status_routes(Router& router, const AnswerContext& context, const FleetWatch& fleet) {
  router.route("GET", "/healthz", kOpenToAll, [](const Request&, const ResponderPtr& responder) {
    send_json(*responder, 200, encode_health());
  });
  router.route("GET", "/readyz", kOpenToAll, [&fleet](const Request&, const ResponderPtr& responder) {
    Headers headers;
    if (!fleet.view().ready) headers.emplace_back("Retry-After", "1");
    send_json(*responder, fleet.view().ready ? 200 : 503, encode_ready(fleet.view()), std::move(headers));
  });
  router.route("GET", "/api/status", kNeedsAdmin,
               [context, &fleet](const Request&, const ResponderPtr& responder) {
                 context.documents.counts([context, responder, &fleet](const Result<DocumentCounts>& counts) {
                   if (!counts) return send_error(*responder, counts.error());
                   send_json(*responder, 200,
                             encode_status(context.services.facts, fleet.view(), fleet.status(), *counts,
                                           fleet.uptime_seconds()));
                 });
               });
}

}  // namespace answermill::frontend
