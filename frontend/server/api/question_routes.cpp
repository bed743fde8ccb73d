#include <charconv>
#include <utility>

#include "frontend/server/api/routes.h"
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

void ask(const AnswerContext& context, const Request& request, const ResponderPtr& responder) {
  auto body = parse_ask(request.body);
  if (!body) return send_error(*responder, body.error());
  Question question;
  question.question = std::move(body->question);
  question.collection = std::move(body->collection);
  question.conversation = std::move(body->conversation);
  question.request_id = std::move(body->request_id);
  question.documents = std::move(body->documents);
  question.topic = context.questions.topic();
  const bool json = accepts(request, "application/json") && !accepts(request, "text/event-stream");
  if (json) return collect_ask(context, std::move(question), responder);
  stream_ask(context, std::move(question), responder);
}

void search(const AnswerContext& context, const Request& request, const ResponderPtr& responder) {
  const auto k = number_of<std::uint64_t>(request, "k", 0);
  if (!k) return send_error(*responder, k.error());
  const auto threshold = number_of<double>(request, "threshold", -1.0);
  if (!threshold) return send_error(*responder, threshold.error());
  Search search{request.query_value("q").value_or(""), request.query_value("collection").value_or(""), *k,
                *threshold};
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
  if (!accepts(request, "text/event-stream")) return collect_stream(context, stream, responder);
  auto after_seq = number_of<std::uint64_t>(request, "after_seq", 0);
  if (!after_seq) return send_error(*responder, after_seq.error());
  const auto last = request.header("last-event-id");
  std::uint64_t seen = 0;
  if (std::from_chars(last.data(), last.data() + last.size(), seen).ec == std::errc()) *after_seq = seen;
  stream_resume(context, stream, *after_seq, responder);
}

void conversation(const AnswerContext& context, const Request& request, const ResponderPtr& responder) {
  struct Whole {
    ConversationRow row;
    std::vector<MessageRow> messages;
  };
  context.services.catalog.run(
      [id = request.captures.at(0)](Catalog& catalog) -> Result<Whole> {
        auto row = catalog.conversation("", id);
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
  router.route("POST", "/api/ask", [context](const Request& request, const ResponderPtr& responder) {
    ask(context, request, responder);
  });
  router.route("GET", "/api/search", [context](const Request& request, const ResponderPtr& responder) {
    search(context, request, responder);
  });
  router.route("GET", "/api/streams/{id}", [context](const Request& request, const ResponderPtr& responder) {
    resume(context, request, responder);
  });
  router.route("POST", "/api/streams/{id}/cancel",
               [context](const Request& request, const ResponderPtr& responder) {
                 if (topic_of_stream(request.captures.at(0)).empty()) {
                   return send_error(*responder, {ErrorCode::kNotFound, "There is no stream with this id."});
                 }
                 context.services.hub.cancel(request.captures.at(0));
                 send_json(*responder, 202, encode_flag("cancelling"));
               });
  router.route("GET", "/api/conversations", [context](const Request&, const ResponderPtr& responder) {
    context.services.catalog.run([](Catalog& catalog) { return catalog.conversations(""); },
                                 [responder](const Result<std::vector<ConversationRow>>& rows) {
                                   if (!rows) return send_error(*responder, rows.error());
                                   send_json(*responder, 200, encode_conversations(*rows));
                                 });
  });
  router.route("GET", "/api/conversations/{id}",
               [context](const Request& request, const ResponderPtr& responder) {
                 conversation(context, request, responder);
               });
  router.route(
      "DELETE", "/api/conversations/{id}", [context](const Request& request, const ResponderPtr& responder) {
        context.services.catalog.run(
            [id = request.captures.at(0)](Catalog& catalog) { return catalog.delete_conversation("", id); },
            [responder](const Status& gone) {
              if (!gone) return send_error(*responder, gone.error());
              send_json(*responder, 200, encode_flag("deleted"));
            });
      });
}

void add_status_routes(Router& router, const AnswerContext& context, const FleetWatch& fleet) {
  router.route("GET", "/healthz", [](const Request&, const ResponderPtr& responder) {
    send_json(*responder, 200, encode_health());
  });
  router.route("GET", "/readyz", [&fleet](const Request&, const ResponderPtr& responder) {
    Headers headers;
    if (!fleet.view().ready) headers.emplace_back("Retry-After", "1");
    send_json(*responder, fleet.view().ready ? 200 : 503, encode_ready(fleet.view()), std::move(headers));
  });
  router.route("GET", "/api/status", [context, &fleet](const Request&, const ResponderPtr& responder) {
    context.documents.counts([context, responder, &fleet](const Result<DocumentCounts>& counts) {
      if (!counts) return send_error(*responder, counts.error());
      send_json(*responder, 200,
                encode_status(context.services.facts, fleet.view(), fleet.status(), *counts,
                              fleet.uptime_seconds()));
    });
  });
}

}  // namespace answermill::frontend
