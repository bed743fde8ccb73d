// The OpenAI-compatible endpoints under /v1.

#include <charconv>
#include <utility>

#include "frontend/server/api/access.h"
#include "frontend/server/api/answer_stream.h"
#include "frontend/server/api/embeddings.h"
#include "frontend/server/api/file_answer.h"
#include "frontend/server/api/routes.h"
#include "frontend/server/api/upload_sinks.h"
#include "frontend/server/dialects/openai.h"
#include "frontend/server/dialects/openai_chat.h"
#include "frontend/server/dialects/openai_responses.h"
#include "shared/base/ids.h"

namespace answermill::frontend {
namespace {

constexpr char kOwner[] = "openai";

void refuse(Responder& responder, const Error& error) {
  send_json(responder, http_status(error.code), openai::error(error), retry_headers(error));
}

Question question_of(const Caller& caller, const std::string& model, openai::Prompt prompt,
                     const openai::Sampling& sampling) {
  Question question;
  question.owner = kOwner;
  question.caller = caller;
  question.question = std::move(prompt.question);
  question.history = std::move(prompt.history);
  question.instructions = std::move(prompt.instructions);
  question.collection = openai::collection_of(model);
  question.temperature = sampling.temperature;
  question.max_tokens = sampling.max_tokens;
  return question;
}

void chat(const AnswerContext& context, const Request& request, const ResponderPtr& responder) {
  auto body = openai::parse_chat(request.body);
  if (!body) return refuse(*responder, body.error());
  Question question = question_of(request.caller, body->model, std::move(body->prompt), body->sampling);
  if (body->stream) {
    return stream_ask(context, std::move(question), responder, {openai::chat_wire(*body), refuse});
  }
  const std::int64_t created = context.services.loop.unix_ms() / 1000;
  collect_ask(
      context, std::move(question), responder,
      {[created](const AnswerView& answer) { return openai::chat_completion(answer, created); }, refuse});
}

void respond(const AnswerContext& context, const Caller& caller, openai::ResponsesBody body,
             std::string conversation, const ResponderPtr& responder) {
  const openai::ResponseFacts facts{context.services.loop.unix_ms() / 1000, body.previous, body.sampling};
  Question question = question_of(caller, body.model, std::move(body.prompt), body.sampling);
  question.conversation = std::move(conversation);
  if (body.stream) {
    return stream_ask(context, std::move(question), responder,
                      {openai::responses_wire(facts, std::nullopt), refuse});
  }
  collect_ask(context, std::move(question), responder,
              {[facts](const AnswerView& answer) -> Result<std::string> {
                 if (auto bad = openai::bad_end(answer); bad && answer.text.empty()) return *bad;
                 return openai::response(facts, answer);
               },
               refuse});
}

Error no_response() { return {ErrorCode::kNotFound, "There is no response with this id."}; }

void responses(const AnswerContext& context, const Request& request, const ResponderPtr& responder) {
  auto body = openai::parse_responses(request.body);
  if (!body) return refuse(*responder, body.error());
  if (body->previous.empty()) return respond(context, request.caller, std::move(*body), {}, responder);
  const std::string stream = openai::stream_of(openai::kResponsePrefix, body->previous);
  if (stream.empty()) return refuse(*responder, no_response());
  context.questions.recorded(stream, [context, responder, caller = request.caller,
                                      body = std::move(*body)](const Result<MessageRow>& row) {
    if (!row) return refuse(*responder, no_response());
    respond(context, caller, body, row->conversation, responder);
  });
}

// Runs `use` with what is known of the response in the path, or answers why not.
template <class Use>
void with_response(const AnswerContext& context, const Request& request, const ResponderPtr& responder,
                   Use use) {
  const std::string stream = openai::stream_of(openai::kResponsePrefix, request.captures.at(0));
  if (stream.empty()) return refuse(*responder, no_response());
  context.questions.recorded(
      stream, [responder, caller = request.caller, use = std::move(use)](const Result<MessageRow>& row) {
        if (!row || !caller.reaches(row->collection)) return refuse(*responder, no_response());
        AnswerView known;
        known.stream = row->stream;
        known.conversation = row->conversation;
        known.question = row->question;
        known.collection = row->collection;
        use(std::move(known), openai::ResponseFacts{row->created_ms / 1000, {}, {}});
      });
}

WholeReply whole_response(const openai::ResponseFacts& facts) {
  return {[facts](const AnswerView& answer) { return openai::response(facts, answer); }, refuse};
}

void retrieve(const AnswerContext& context, const Request& request, const ResponderPtr& responder) {
  const bool stream = request.query_value("stream").value_or("") == "true";
  std::optional<std::uint64_t> after;
  if (const auto text = request.query_value("starting_after")) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
    if (error != std::errc() || end != text->data() + text->size()) {
      return refuse(*responder, {ErrorCode::kInvalidArgument,
                                 "\"starting_after\" must be a whole number, zero or more."});
    }
    after = number;
  }
  with_response(
      context, request, responder,
      [context, responder, stream, after](AnswerView known, const openai::ResponseFacts& facts) {
        if (!stream) {
          return collect_answer(context, std::move(known), responder, whole_response(facts));
        }
        stream_answer(context, std::move(known), responder, {openai::responses_wire(facts, after), refuse});
      });
}

void cancel(const AnswerContext& context, const Request& request, const ResponderPtr& responder) {
  with_response(context, request, responder,
                [context, responder](AnswerView known, const openai::ResponseFacts& facts) {
                  context.services.hub.cancel(known.stream);
                  WholeReply reply = whole_response(facts);
                  reply.at_end = true;
                  collect_answer(context, std::move(known), responder, std::move(reply));
                });
}

void embed(const AnswerContext& context, const Request& request, const ResponderPtr& responder) {
  auto body = openai::parse_embeddings(request.body);
  if (!body) return refuse(*responder, body.error());
  const auto texts = body->input;
  embed_texts(
      context, std::move(texts), body->query,
      [responder, body = std::move(*body)](const Result<messages::EmbeddedTexts>& made) {
        if (!made) return refuse(*responder, made.error());
        if (body.dimensions != 0 && body.dimensions != made->dimension) {
          return refuse(*responder,
                        {ErrorCode::kInvalidArgument, "The embedder here makes vectors of " +
                                                          std::to_string(made->dimension) + " dimensions."});
        }
        send_json(*responder, 200, openai::embeddings(body, made->model, made->dimension, made->vectors));
      });
}

void add_model_routes(Router& router, const AnswerContext& context) {
  router.route("GET", "/v1/models", kNeedsAnything,
               [context](const Request& request, const ResponderPtr& responder) {
                 context.services.catalog.run(
                     [](Catalog& catalog) { return catalog.collections(); },
                     [responder, caller = request.caller](Result<std::vector<CollectionRow>> rows) {
                       if (rows) keep_reachable(*rows, caller, [](const auto& row) { return row.name; });
                       if (!rows) return refuse(*responder, rows.error());
                       send_json(*responder, 200, openai::models(*rows));
                     });
               });
  router.route("GET", "/v1/models/{model}", kNeedsAnything,
               [context](const Request& request, const ResponderPtr& responder) {
                 const std::string wanted = openai::collection_of(request.captures.at(0));
                 if (!request.caller.reaches(wanted.empty() ? kDefaultCollection : wanted)) {
                   return refuse(*responder, out_of_reach());
                 }
                 context.services.catalog.run(
                     [name = wanted](Catalog& catalog) { return catalog.collection(name); },
                     [responder](const Result<CollectionRow>& row) {
                       if (!row) return refuse(*responder, row.error());
                       send_json(*responder, 200, openai::model(*row));
                     });
               });
}

void add_file_routes(Router& router, const AnswerContext& context) {
  router.upload("POST", "/v1/files", kNeedsWrite, [context](const Request& request, ResponderPtr responder) {
    return begin_http_upload(context.documents, context.services.facts, request, std::move(responder),
                             {[](Responder& to, const std::vector<DocumentView>& documents) {
                                send_json(to, 200, openai::file(documents.front()));
                              },
                              refuse});
  });
  router.route("GET", "/v1/files", kNeedsRead,
               [context](const Request& request, const ResponderPtr& responder) {
                 list_documents(context.documents, request.caller, std::nullopt,
                                [responder](const Result<std::vector<DocumentView>>& documents) {
                                  if (!documents) return refuse(*responder, documents.error());
                                  send_json(*responder, 200, openai::files(*documents));
                                });
               });
  router.route("GET", "/v1/files/{id}", kNeedsRead,
               [context](const Request& request, const ResponderPtr& responder) {
                 get_document(context.documents, request.caller, request.captures.at(0),
                              [responder](const Result<DocumentView>& document) {
                                if (!document) return refuse(*responder, document.error());
                                send_json(*responder, 200, openai::file(*document));
                              });
               });
  router.route("GET", "/v1/files/{id}/content", kNeedsRead,
               [context](const Request& request, const ResponderPtr& responder) {
                 get_document(context.documents, request.caller, request.captures.at(0),
                              [context, responder](const Result<DocumentView>& document) {
                                if (!document) return refuse(*responder, document.error());
                                send_file(context, document->row, responder);
                              });
               });
  router.route("DELETE", "/v1/files/{id}", kNeedsWrite,
               [context](const Request& request, const ResponderPtr& responder) {
                 const std::string id = request.captures.at(0);
                 remove_document(context.documents, request.caller, id,
                                 [responder, id](const Result<bool>& removed) {
                                   if (!removed) return refuse(*responder, removed.error());
                                   send_json(*responder, *removed ? 200 : 202, openai::file_deleted(id));
                                 });
               });
}

}  // namespace

void add_openai_routes(Router& router, const AnswerContext& context) {
  using Answer = void (*)(const AnswerContext&, const Request&, const ResponderPtr&);
  const auto route = [&](std::string_view method, std::string_view pattern, const Access& access,
                         Answer answer) {
    router.route(method, pattern, access,
                 [context, answer](const Request& request, const ResponderPtr& responder) {
                   answer(context, request, responder);
                 });
  };
  add_model_routes(router, context);
  add_file_routes(router, context);
  route("POST", "/v1/chat/completions", kAsks, chat);
  route("POST", "/v1/responses", kAsks, responses);
  route("GET", "/v1/responses/{id}", kReadsAnswers, retrieve);
  route("POST", "/v1/responses/{id}/cancel", kReadsAnswers, cancel);
  route("POST", "/v1/embeddings", kSearchesOrAsks, embed);
}

}  // namespace answermill::frontend
