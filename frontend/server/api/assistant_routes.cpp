// Wires of assistants' own toolkits: the AI SDK's chat, and tools over the Model Context Protocol.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "frontend/server/api/access.h"
#include "frontend/server/api/answer_stream.h"
#include "frontend/server/api/routes.h"
#include "frontend/server/dialects/mcp.h"
#include "frontend/server/dialects/ui_messages.h"
#include "shared/base/ids.h"

namespace answermill::frontend {
namespace {

constexpr char kChatOwner[] = "ui";
constexpr char kToolOwner[] = "mcp";
constexpr Access kCallsTools{{access::Scope::kRead, access::Scope::kAsk}, Use::kAnswer};

std::string chat_conversation(const std::string& chat) { return "chat-" + topic_of("ui:" + chat); }

void chat(const AnswerContext& context, const Request& request, const ResponderPtr& responder) {
  auto body = ui::parse(request.body);
  if (!body) return send_error(*responder, body.error());
  Question question;
  question.owner = kChatOwner;
  question.caller = request.caller;
  question.question = std::move(body->prompt.question);
  question.history = std::move(body->prompt.history);
  question.instructions = std::move(body->prompt.instructions);
  question.collection = std::move(body->collection);
  question.conversation = body->chat.empty() ? random_id() : chat_conversation(body->chat);
  question.conversations = NewQuestion::Conversations::kMake;
  stream_ask(context, std::move(question), responder, {ui::answer_wire()});
}

// What a page asks that was loaded again: the answer that still runs, from its beginning, or nothing.
void resume_chat(const AnswerContext& context, const Request& request, const ResponderPtr& responder) {
  context.services.catalog.run(
      [id = chat_conversation(request.captures.at(0))](Catalog& catalog) { return catalog.messages_of(id); },
      [context, responder, caller = request.caller](const Result<std::vector<MessageRow>>& rows) {
        if (!rows) return send_error(*responder, rows.error());
        if (rows->empty() || !caller.reaches(rows->back().collection) ||
            rows->back().status != MessageStatus::kStreaming) {
          return responder->send(204, {}, {});
        }
        AnswerView known;
        known.stream = rows->back().stream;
        known.conversation = rows->back().conversation;
        known.collection = rows->back().collection;
        stream_answer(context, std::move(known), responder, {ui::answer_wire()});
      });
}

using Told = std::function<void(std::string)>;

void read_document(const AnswerContext& context, const Caller& caller, const mcp::Message& call,
                   const Told& tell) {
  get_document(
      context.documents, caller, call.document, [context, call, tell](const Result<DocumentView>& document) {
        if (!document) return tell(mcp::failed(call, document.error()));
        context.questions.read_page(
            document->row, static_cast<std::uint32_t>(std::min<std::uint64_t>(call.page, UINT32_MAX)),
            [call, tell](const Result<messages::PageText>& text) {
              tell(text ? mcp::page(call, *text) : mcp::failed(call, text.error()));
            });
      });
}

Question question_of(const Caller& caller, const mcp::Message& call) {
  Question question;
  question.caller = caller;
  question.owner = kToolOwner;
  question.question = call.text;
  question.collection = call.collection;
  question.conversation = call.conversation;
  return question;
}

// A Responder that hands the one answer on: an ask without progress is a message among others.
class AnswerCatcher final : public Responder {
 public:
  explicit AnswerCatcher(Told tell) : tell_(std::move(tell)) {}
  void send(int, std::string_view, std::string body, Headers) override { tell_(std::move(body)); }
  std::shared_ptr<BodyStream> stream(int, std::string_view, Headers) override { return nullptr; }

 private:
  Told tell_;
};

void ask(const AnswerContext& context, const Caller& caller, const mcp::Message& call, const Told& tell) {
  collect_ask(context, question_of(caller, call), std::make_shared<AnswerCatcher>(tell),
              {[call](const AnswerView& answer) { return mcp::answered(call, answer); },
               [call](Responder& to, const Error& error) {
                 to.send(200, kJsonContentType, mcp::failed(call, error));
               }});
}

void run(const AnswerContext& context, const Caller& caller, const mcp::Message& call, const Told& tell) {
  switch (call.method) {
    case mcp::Method::kNotification:
      return;
    case mcp::Method::kRefused:
      return tell(call.refusal);
    case mcp::Method::kInitialize:
      return tell(mcp::initialized(call, context.services.facts.version));
    case mcp::Method::kPing:
      return tell(mcp::pong(call));
    case mcp::Method::kListTools:
      return tell(mcp::tools(call));
    case mcp::Method::kSearch:
      return context.questions.search({call.text, call.collection, call.k, -1, caller},
                                      [call, tell](const Result<Found>& found) {
                                        tell(found ? mcp::found(call, found->collection, found->sources)
                                                   : mcp::failed(call, found.error()));
                                      });
    case mcp::Method::kAsk:
      return ask(context, caller, call, tell);
    case mcp::Method::kListDocuments:
      return list_documents(
          context.documents, caller, call.collection.empty() ? std::nullopt : std::optional(call.collection),
          [call, tell](const Result<std::vector<DocumentView>>& documents) {
            tell(documents ? mcp::documents(call, *documents) : mcp::failed(call, documents.error()));
          });
    case mcp::Method::kReadDocument:
      return read_document(context, caller, call, tell);
  }
}

// What a call needs of the token. The POST was counted as a request; each call of a batch is one more.
Access access_of(const mcp::Message& call, bool batch) {
  const Use use = batch ? Use::kRequest : Use::kFree;
  switch (call.method) {
    case mcp::Method::kSearch:
    case mcp::Method::kListDocuments:
    case mcp::Method::kReadDocument:
      return {{access::Scope::kRead}, use};
    case mcp::Method::kAsk:
      return kAsks;
    case mcp::Method::kNotification:
    case mcp::Method::kRefused:
    case mcp::Method::kInitialize:
    case mcp::Method::kPing:
    case mcp::Method::kListTools:
      return {kNeedsAnything.any_of, use};
  }
  std::abort();
}

// The answer to a call that may not be made; nullopt: it may.
std::optional<std::string> denied(const AnswerContext& context, const Caller& caller,
                                  const mcp::Message& call, bool batch) {
  const Refusal refusal = caller.use(access_of(call, batch), context.services.loop.now());
  if (!refusal.refused()) return std::nullopt;
  return mcp::failed(call, denial_of(refusal).error);
}

// The answers to one POST, in the order of its messages.
struct PostAnswers {
  std::vector<std::string> texts;
  std::size_t open = 0;
};

void tools(const AnswerContext& context, const Request& request, const ResponderPtr& responder) {
  const auto spoken = request.header("mcp-protocol-version");
  if (!spoken.empty() && !mcp::speaks(spoken)) {
    return send_error(*responder, {ErrorCode::kInvalidArgument, "This protocol version is not spoken here."});
  }
  const auto post = mcp::parse(request.body);
  if (!post) return send_json(*responder, 400, mcp::malformed());
  std::vector<mcp::Message> calls;
  for (const auto& message : post->messages) {
    if (message.method != mcp::Method::kNotification) calls.push_back(message);
  }
  if (calls.empty()) return responder->send(202, {}, {});
  const bool streams = request.header("accept").find("text/event-stream") != std::string_view::npos;
  if (!post->batch && streams && calls[0].method == mcp::Method::kAsk && !calls[0].progress_token.empty()) {
    if (const auto no = denied(context, request.caller, calls[0], false))
      return send_json(*responder, 200, *no);
    const auto refuse = [call = calls[0]](Responder& to, const Error& error) {
      send_json(to, 200, mcp::failed(call, error));
    };
    return stream_ask(context, question_of(request.caller, calls[0]), responder,
                      {mcp::answer_wire(calls[0]), refuse});
  }
  const auto answers = std::make_shared<PostAnswers>();
  answers->texts.resize(calls.size());
  answers->open = calls.size();
  for (std::size_t i = 0; i < calls.size(); ++i) {
    const Told tell = [answers, responder, i, batch = post->batch](std::string text) {
      answers->texts[i] = std::move(text);
      if (--answers->open > 0) return;
      send_json(*responder, 200, batch ? mcp::batch(answers->texts) : std::move(answers->texts[0]));
    };
    if (const auto no = denied(context, request.caller, calls[i], post->batch)) {
      tell(*no);
    } else {
      run(context, request.caller, calls[i], tell);
    }
  }
}

}  // namespace

void add_assistant_routes(Router& router, const AnswerContext& context) {
  router.route("POST", "/api/chat", kAsks, [context](const Request& request, const ResponderPtr& responder) {
    chat(context, request, responder);
  });
  router.route("GET", "/api/chat/{id}/stream", kReadsAnswers,
               [context](const Request& request, const ResponderPtr& responder) {
                 resume_chat(context, request, responder);
               });
  router.route("POST", "/mcp", kCallsTools, [context](const Request& request, const ResponderPtr& responder) {
    tools(context, request, responder);
  });
}

}  // namespace answermill::frontend
