// POST /chat, /fast_chat and their streams.
#include <utility>

#include "frontend/server/api/answer_stream.h"
#include "frontend/server/api/routes.h"
#include "frontend/server/dialects/sse_chat.h"
#include "shared/base/ids.h"

namespace answermill::frontend {
namespace {

constexpr char kOwner[] = "chat";

Question question_of(const Request& request, const chat::Body& body) {
  Question question;
  question.caller = request.caller;
  question.owner = kOwner;
  question.question = body.query;
  question.collection = body.collection;
  question.documents = body.documents;
  question.conversation = body.session_id ? "session-" + topic_of("chat:" + *body.session_id) : random_id();
  question.conversations = NewQuestion::Conversations::kMake;
  return question;
}

void stream(const AnswerContext& context, chat::Kind kind, const Request& request,
            const ResponderPtr& responder) {
  auto body = chat::parse(request.body);
  if (!body) return send_error(*responder, body.error());
  // A client that lost its connection repeats the request: it gets the rest of the same answer.
  if (const auto cursor = chat::parse_event_id(request.header("last-event-id"))) {
    AnswerView known;
    known.stream = cursor->stream;
    known.collection = body->collection.empty() ? kDefaultCollection : body->collection;
    return stream_answer(context, std::move(known), responder,
                         {chat::answer_wire(kind, std::move(*body), cursor->seq)});
  }
  Question question = question_of(request, *body);
  stream_ask(context, std::move(question), responder,
             {chat::answer_wire(kind, std::move(*body), std::nullopt)});
}

void answer(const AnswerContext& context, const Request& request, const ResponderPtr& responder) {
  auto body = chat::parse(request.body);
  if (!body) return send_error(*responder, body.error());
  Question question = question_of(request, *body);
  collect_ask(context, std::move(question), responder,
              {[&loop = context.services.loop, body = std::move(*body)](const AnswerView& view) {
                return chat::result(body, view, loop.unix_seconds());
              }});
}

}  // namespace

void add_chat_routes(Router& router, const AnswerContext& context) {
  for (const auto& [path, kind] :
       {std::pair{"/chat", chat::Kind::kChat}, std::pair{"/fast_chat", chat::Kind::kFastChat}}) {
    router.route("POST", path, kAsks, [context](const Request& request, const ResponderPtr& responder) {
      answer(context, request, responder);
    });
    router.route("POST", std::string(path) + "/stream", kAsks,
                 [context, kind = kind](const Request& request, const ResponderPtr& responder) {
                   stream(context, kind, request, responder);
                 });
  }
}

}  // namespace answermill::frontend
