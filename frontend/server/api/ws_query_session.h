// One `/ws/query` connection: questions one after another, each answered by passages first and words after.
//
// Thread: the loop. Further questions wait for the running answer, since this wire's tokens name no question.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "frontend/server/api/question_service.h"
#include "frontend/server/dialects/append_only_text.h"
#include "frontend/server/dialects/ws_query.h"
#include "frontend/server/edge/http.h"

namespace answermill::frontend {

class WsQuerySession final : public WebSocketSession {
 public:
  WsQuerySession(Services& services, QuestionService& questions, std::shared_ptr<WebSocket> socket);

  void on_open() override { watch_idle(); }
  void on_text(std::string_view message) override;
  void on_binary(std::string_view message) override { on_text(message); }
  void on_drain() override { pump(); }
  void on_close(std::uint16_t code) override;

 private:
  struct Query {
    ws_query::Ask ask;
    AnswerView answer;
    AppendOnlyText shown;
    std::uint64_t tokens = 0;
    std::unique_ptr<StreamReader> reader;
    Seat seat;
  };

  void send(std::string_view text) { socket_->send_text(text); }
  const Caller& caller() const { return socket_->request().caller; }
  double now() const { return services_.loop.unix_seconds(); }
  void start_next();
  void ask(const ws_query::Ask& ask);
  void search(const ws_query::Ask& ask);
  void started(const AnswerView& view);
  void refused(const Error& error);
  void pump();
  void deliver(const messages::StreamEvent& event);
  void show_token();
  void complete();
  void finish();
  void watch_idle();

  Services& services_;
  QuestionService& questions_;
  std::shared_ptr<WebSocket> socket_;
  std::string topic_;
  std::deque<ws_query::Ask> waiting_;
  std::optional<Query> query_;
  std::unique_ptr<Timer> idle_timer_;
  Lifetime lifetime_;
};

}  // namespace answermill::frontend
