#include "frontend/server/api/ws_stream_session.h"

#include <utility>

#include "frontend/server/api/access.h"
#include "frontend/server/api/sse_answers.h"
#include "shared/base/ids.h"

namespace answermill::frontend {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMaxWaiting = 16;
constexpr std::int64_t kDayMs = 86'400'000;
constexpr auto kIdleLimit = 30min;
constexpr std::uint16_t kNormalClosure = 1000;

// A user's rooms are his own: the same room name of another user is another conversation.
std::string room_conversation(const std::string& user, const std::string& room) {
  return "room-" + topic_of("ws-stream:" + std::to_string(user.size()) + ":" + user + ":" + room);
}

// The collection a course means: an unknown one is an empty collection, whatever characters its name has.
std::string course_collection(const Caller& caller, const std::optional<std::string>& course) {
  if (!course) return caller.collection_or_own(caller.collections().empty() ? kDefaultCollection : "");
  return is_collection_name(*course) ? *course : "course-" + topic_of("course:" + *course);
}

}  // namespace

void WsStreamCounters::disconnected(const std::string& user) {
  const auto found = users_.find(user);
  if (found != users_.end() && --found->second == 0) users_.erase(found);
}

void WsStreamCounters::chat_started(std::int64_t unix_ms) {
  if (unix_ms / kDayMs != day_) requests_ = 0;
  day_ = unix_ms / kDayMs;
  ++requests_;
  ++active_chats_;
}

void WsStreamCounters::answered(double response_ms, std::uint64_t output_tokens) {
  ++responses_;
  response_ms_sum_ += response_ms;
  output_tokens_sum_ += output_tokens;
}

ws_stream::Statistics WsStreamCounters::statistics(std::int64_t unix_ms) const {
  ws_stream::Statistics all;
  for (const auto& [user, connections] : users_) {
    all.users.push_back(user);
    all.connections += connections;
  }
  all.active_chats = active_chats_;
  all.requests_today = unix_ms / kDayMs == day_ ? requests_ : 0;
  all.responses = responses_;
  all.response_ms_sum = response_ms_sum_;
  all.output_tokens_sum = output_tokens_sum_;
  return all;
}

std::optional<ws_stream::Identity> ws_stream_identity(const Request& request) {
  ws_stream::Identity identity;
  identity.user_id = request.query_value("user_id").value_or("");
  if (identity.user_id.empty()) return std::nullopt;
  identity.course_id = request.query_value("course_id");
  if (identity.course_id && (identity.course_id->empty() || *identity.course_id == "null"))
    identity.course_id.reset();
  return identity;
}

WsStreamSession::WsStreamSession(WsStreamContext context, std::shared_ptr<WebSocket> socket,
                                 ws_stream::Identity identity)
    : context_(context), socket_(std::move(socket)), identity_(std::move(identity)), topic_(random_id()) {}

WsStreamSession::~WsStreamSession() { on_close(0); }

bool WsStreamSession::reaches(const Caller& caller, const ws_stream::Identity& identity) {
  return caller.reaches(course_collection(caller, identity.course_id));
}

void WsStreamSession::on_open() {
  context_.counters.connected(identity_.user_id);
  counted_ = true;
  send(ws_stream::connection(identity_, context_.services.settings, context_.fleet.view(), now()));
  watch_idle();
}

void WsStreamSession::on_close(std::uint16_t) {
  end_chat();
  waiting_.clear();
  idle_timer_.reset();
  if (std::exchange(counted_, false)) context_.counters.disconnected(identity_.user_id);
}

void WsStreamSession::watch_idle() {
  idle_timer_ = context_.services.loop.after(kIdleLimit, [this] {
    if (chat_) return watch_idle();
    send(ws_stream::error(ws_stream::connection_timeout(), now()));
    socket_->close(kNormalClosure, "idle");
  });
}

void WsStreamSession::on_binary(std::string_view message) { on_text(message); }

void WsStreamSession::on_text(std::string_view text) {
  watch_idle();
  auto parsed = ws_stream::parse(text);
  if (!parsed.message) return send(ws_stream::error(parsed.error, now()));
  switch (parsed.message->kind) {
    case ws_stream::ClientKind::kPing:
      return send(ws_stream::pong(now()));
    case ws_stream::ClientKind::kDisconnect:
      return socket_->close(kNormalClosure, "disconnect");
    case ws_stream::ClientKind::kChatRequest:
      return request(std::move(*parsed.message));
  }
}

void WsStreamSession::on_drain() { pump(); }

void WsStreamSession::request(ws_stream::ClientMessage message) {
  if (const Refusal refusal = caller().use(kAsks, context_.services.loop.now()); refusal.refused()) {
    return send(ws_stream::error(ws_stream::denied(denial_of(refusal)), now()));
  }
  if (waiting_.size() >= kMaxWaiting) return send(ws_stream::error(ws_stream::rate_limited(), now()));
  waiting_.push_back(std::move(message));
  if (!chat_) start_next();
}

void WsStreamSession::start_next() {
  if (waiting_.empty()) return;
  auto seat = caller().sit();
  if (!seat) {
    waiting_.pop_front();
    send(ws_stream::error(ws_stream::denied(denial_of(caller().too_many_answers())), now()));
    return start_next();
  }
  const ws_stream::ClientMessage message = std::move(waiting_.front());
  waiting_.pop_front();
  chat_.emplace(Chat{});
  chat_->seat = std::move(*seat);
  chat_->exchange.query = message.query;
  chat_->exchange.chatroom_id = message.chatroom_id;
  chat_->exchange.use_personalization = message.use_personalization;
  chat_->began = context_.services.loop.now();
  context_.counters.chat_started(context_.services.loop.unix_ms());

  Question question;
  question.caller = caller();
  question.owner = "ws:" + identity_.user_id;
  question.question = message.query;
  question.collection = course_collection(caller(), identity_.course_id);
  // Without a room every question stands for itself, and still is recorded.
  question.conversation =
      message.chatroom_id ? room_conversation(identity_.user_id, *message.chatroom_id) : random_id();
  question.topic = topic_;
  question.collections = NewQuestion::Collections::kUnknownIsEmpty;
  question.conversations = NewQuestion::Conversations::kMake;
  context_.questions.ask(std::move(question), lifetime_.guard([this](const Result<AnswerView>& view) {
    if (!chat_) return;
    if (!view) return refused(view.error());
    started(*view);
  }),
                         lifetime_.guard([this](const Error& error) {
                           if (chat_) refused(error);
                         }));
}

void WsStreamSession::started(const AnswerView& view) {
  chat_->answer = view;
  send(ws_stream::chat_started(identity_, chat_->exchange, view, now()));
  chat_->reader = std::make_unique<StreamReader>(context_.services.loop, context_.services.hub, view.stream,
                                                 0, [this] { pump(); });
}

void WsStreamSession::refused(const Error& error) {
  send(ws_stream::error(ws_stream::service_unavailable(error), now()));
  end_chat();
  start_next();
}

void WsStreamSession::pump() {
  if (!chat_ || chat_->reader == nullptr) return;
  const auto step = chat_->reader->pump([this] { return socket_->pending_bytes() < kHighWaterBytes; },
                                        [this](const messages::StreamEvent& event) { deliver(event); });
  if (step == StreamReader::Step::kEnded) complete();
  if (step == StreamReader::Step::kUnknown)
    refused({ErrorCode::kUnavailable, "The answer was lost on its way."});
}

void WsStreamSession::deliver(const messages::StreamEvent& event) {
  apply_event(chat_->answer, event);
  if (event.kind == messages::StreamEventKind::kRewind) chat_->shown.rewound();
  if (event.kind == messages::StreamEventKind::kToken) send_chunk();
}

// Chunks cannot be taken back on this wire; `response` tells the whole text in any case.
void WsStreamSession::send_chunk() {
  const std::string_view chunk = chat_->shown.more(chat_->answer.text);
  if (!chunk.empty()) send(ws_stream::chat_chunk(chunk, ++chat_->exchange.chunks, now()));
}

void WsStreamSession::complete() {
  const AnswerView& answer = chat_->answer;
  if (answer.status == MessageStatus::kFailed || answer.status == MessageStatus::kExpired) {
    const std::string why = answer.error.message.empty() ? "The answer failed." : answer.error.message;
    return refused({answer.error.code, why});
  }
  const std::chrono::duration<double, std::milli> took = context_.services.loop.now() - chat_->began;
  chat_->exchange.latency_ms = took.count();
  context_.counters.answered(took.count(), answer.meta ? answer.meta->output_tokens : 0);
  send(ws_stream::chat_response(identity_, context_.services.settings, chat_->exchange, answer, now()));
  end_chat();
  start_next();
}

void WsStreamSession::end_chat() {
  if (!chat_) return;
  chat_.reset();
  context_.counters.chat_ended();
}

}  // namespace answermill::frontend
