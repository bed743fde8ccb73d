// One `/ws/stream` connection: a user's chat with a course, one answer at a time.
//
// Thread: the loop. Further requests wait for the running answer, since this wire's chunks name no request.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "frontend/server/api/fleet_watch.h"
#include "frontend/server/api/question_service.h"
#include "frontend/server/dialects/append_only_text.h"
#include "frontend/server/dialects/ws_stream.h"
#include "frontend/server/edge/http.h"

namespace answermill::frontend {

// What /ws/status tells, counted by the sessions.
class WsStreamCounters {
 public:
  void connected(const std::string& user) { ++users_[user]; }
  void disconnected(const std::string& user);
  void chat_started(std::int64_t unix_ms);
  void chat_ended() { --active_chats_; }
  void answered(double response_ms, std::uint64_t output_tokens);
  ws_stream::Statistics statistics(std::int64_t unix_ms) const;

 private:
  std::map<std::string, std::uint64_t> users_;
  std::uint64_t active_chats_ = 0;
  std::int64_t day_ = 0;        // since 1970, UTC
  std::uint64_t requests_ = 0;  // of that day
  std::uint64_t responses_ = 0;
  double response_ms_sum_ = 0;
  std::uint64_t output_tokens_sum_ = 0;
};

struct WsStreamContext {
  Services& services;
  QuestionService& questions;
  FleetWatch& fleet;
  WsStreamCounters& counters;
};

class WsStreamSession final : public WebSocketSession {
 public:
  WsStreamSession(WsStreamContext context, std::shared_ptr<WebSocket> socket, ws_stream::Identity identity);
  ~WsStreamSession() override;

  // Whether the course is a collection that the caller's token is for.
  static bool reaches(const Caller& caller, const ws_stream::Identity& identity);

  void on_open() override;
  void on_text(std::string_view message) override;
  void on_binary(std::string_view message) override;
  void on_drain() override;
  void on_close(std::uint16_t code) override;

 private:
  struct Chat {
    ws_stream::Exchange exchange;
    AnswerView answer;
    std::chrono::steady_clock::time_point began;
    AppendOnlyText shown;
    std::unique_ptr<StreamReader> reader;
    Seat seat;
  };

  void send(std::string_view text) { socket_->send_text(text); }
  const Caller& caller() const { return socket_->request().caller; }
  double now() const { return context_.services.loop.unix_seconds(); }
  void request(ws_stream::ClientMessage message);
  void start_next();
  void started(const AnswerView& view);
  void refused(const Error& error);
  void pump();
  void deliver(const messages::StreamEvent& event);
  void send_chunk();
  void complete();
  void end_chat();
  void watch_idle();

  WsStreamContext context_;
  std::shared_ptr<WebSocket> socket_;
  ws_stream::Identity identity_;
  std::string topic_;
  std::deque<ws_stream::ClientMessage> waiting_;
  std::optional<Chat> chat_;
  std::unique_ptr<Timer> idle_timer_;
  bool counted_ = false;
  Lifetime lifetime_;
};

// The identity in the upgrade request's query; empty when user_id is missing.
std::optional<ws_stream::Identity> ws_stream_identity(const Request& request);

}  // namespace answermill::frontend
