#include "frontend/server/api/ws_query_session.h"

#include <utility>

#include "frontend/server/api/access.h"
#include "frontend/server/api/routes.h"
#include "shared/base/ids.h"

namespace answermill::frontend {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMaxWaiting = 16;
constexpr auto kIdleLimit = 30min;
constexpr std::uint16_t kNormalClosure = 1000;
constexpr char kOwner[] = "ws-query";

// A conversation of this wire's own: its sessions are named by its clients.
std::string session_conversation(const std::string& session) {
  return "session-" + topic_of("ws-query:" + session);
}

}  // namespace

WsQuerySession::WsQuerySession(Services& services, QuestionService& questions,
                               std::shared_ptr<WebSocket> socket)
    : services_(services), questions_(questions), socket_(std::move(socket)), topic_(random_id()) {}

void WsQuerySession::on_close(std::uint16_t) {
  waiting_.clear();
  idle_timer_.reset();
  query_.reset();  // the answer itself goes on: it can be read at /api/streams
}

void WsQuerySession::watch_idle() {
  idle_timer_ = services_.loop.after(kIdleLimit, [this] {
    if (query_) return watch_idle();
    socket_->close(kNormalClosure, "idle");
  });
}

void WsQuerySession::on_text(std::string_view text) {
  watch_idle();
  auto ask = ws_query::parse(text);
  if (!ask) return send(ws_query::error(ask.error(), {}, now()));
  const Access& needed = ask->humanize ? kAsks : kNeedsRead;
  if (const Refusal refusal = caller().use(needed, services_.loop.now()); refusal.refused()) {
    return send(ws_query::denied(denial_of(refusal), now()));
  }
  if (waiting_.size() >= kMaxWaiting) {
    const Error busy{ErrorCode::kRateLimited, "Too many questions wait on this connection."};
    return send(ws_query::error(busy, {}, now()));
  }
  waiting_.push_back(std::move(*ask));
  if (!query_) start_next();
}

void WsQuerySession::start_next() {
  if (waiting_.empty()) return;
  query_.emplace(Query{});
  query_->ask = std::move(waiting_.front());
  waiting_.pop_front();
  const ws_query::Ask next = query_->ask;
  auto seat = caller().sit();
  if (!seat) {
    send(ws_query::denied(denial_of(caller().too_many_answers()), now()));
    return finish();
  }
  query_->seat = std::move(*seat);
  if (next.humanize) return ask(next);
  search(next);
}

void WsQuerySession::ask(const ws_query::Ask& ask) {
  Question question;
  question.caller = caller();
  question.owner = kOwner;
  question.question = ask.question;
  question.collection = ask.collection;
  question.conversation = ask.session_id ? session_conversation(*ask.session_id) : random_id();
  question.topic = topic_;
  question.conversations = NewQuestion::Conversations::kMake;
  questions_.ask(std::move(question), lifetime_.guard([this](const Result<AnswerView>& view) {
    if (!query_) return;
    if (!view) return refused(view.error());
    started(*view);
  }),
                 lifetime_.guard([this](const Error& error) {
                   if (query_) refused(error);
                 }));
}

void WsQuerySession::search(const ws_query::Ask& ask) {
  send(ws_query::status("searching", ask, {}, now()));
  questions_.search({ask.question, ask.collection, 0, -1, caller()},
                    lifetime_.guard([this](const Result<Found>& found) {
                      if (!query_) return;
                      if (!found) return refused(found.error());
                      send(ws_query::immediate(query_->ask, found->sources, {}, now()));
                      send(ws_query::status("complete", query_->ask, {}, now()));
                      finish();
                    }));
}

void WsQuerySession::started(const AnswerView& view) {
  query_->answer = view;
  send(ws_query::status("searching", query_->ask, view, now()));
  query_->reader =
      std::make_unique<StreamReader>(services_.loop, services_.hub, view.stream, 0, [this] { pump(); });
}

void WsQuerySession::refused(const Error& error) {
  send(ws_query::error(error, query_->answer.stream, now()));
  finish();
}

void WsQuerySession::pump() {
  if (!query_ || query_->reader == nullptr) return;
  const auto step = query_->reader->pump([this] { return socket_->pending_bytes() < kHighWaterBytes; },
                                         [this](const messages::StreamEvent& event) { deliver(event); });
  if (step == StreamReader::Step::kEnded) complete();
  if (step == StreamReader::Step::kUnknown)
    refused({ErrorCode::kUnavailable, "The answer was lost on its way."});
}

void WsQuerySession::deliver(const messages::StreamEvent& event) {
  apply_event(query_->answer, event);
  if (event.kind == messages::StreamEventKind::kRewind) query_->shown.rewound();
  if (event.kind == messages::StreamEventKind::kToken) show_token();
  if (event.kind == messages::StreamEventKind::kSources && query_->answer.sources) {
    send(ws_query::immediate(query_->ask, *query_->answer.sources, query_->answer.stream, now()));
    send(ws_query::status("generating", query_->ask, query_->answer, now()));
  }
}

void WsQuerySession::show_token() {
  if (!query_->ask.stream) return;
  const std::string_view token = query_->shown.more(query_->answer.text);
  if (token.empty()) return;
  if (query_->tokens++ == 0) send(ws_query::stream_start(query_->answer, now()));
  send(ws_query::stream_token(token));
}

void WsQuerySession::complete() {
  const AnswerView& answer = query_->answer;
  if (answer.status == MessageStatus::kFailed || answer.status == MessageStatus::kExpired) {
    const std::string why = answer.error.message.empty() ? "The answer failed." : answer.error.message;
    return refused({answer.error.code, why});
  }
  // Tokens cannot be taken back here: an answer that was begun anew with other words is told whole.
  const bool told = query_->shown.agrees(answer.text) && query_->shown.shown_bytes() == answer.text.size();
  if (query_->ask.stream && told) {
    if (query_->tokens == 0) send(ws_query::stream_start(answer, now()));
    send(ws_query::stream_end(query_->ask, answer, query_->tokens, now()));
  } else {
    send(ws_query::overview(query_->ask, answer, now()));
  }
  finish();
}

void WsQuerySession::finish() {
  query_.reset();
  start_next();
}

void add_ws_query_route(Router& router, const AnswerContext& context) {
  router.websocket("/ws/query", {}, kSearchesOrAsks,
                   [context](const Request&, std::shared_ptr<WebSocket> socket,
                             Refusal&) -> std::unique_ptr<WebSocketSession> {
                     return std::make_unique<WsQuerySession>(context.services, context.questions,
                                                             std::move(socket));
                   });
}

}  // namespace answermill::frontend
