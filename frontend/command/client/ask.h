// `answermill ask`: one question, its answer as it grows, then its sources.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "frontend/command/client/answer_text.h"
#include "frontend/command/client/api.h"
#include "frontend/command/client/event_loop.h"
#include "shared/http/sse.h"

namespace answermill::command {

struct AskOptions {
  ClientOptions client;
  std::string collection;
  std::string conversation;
  std::string question;
};

// Errors: kInvalidArgument for an empty question or one over the server's 8,000 characters.
Status check_question(const std::string& question);

// "[1] report.pdf, page 61 (61.3): Heading" for each passage that was cited; for each passage when none was.
std::string format_sources(const Json& passages, const std::vector<std::int64_t>& cited);

// The conversation of one question with the server. If the connection breaks, it goes on where it broke off.
//
// Thread: the loop's.
class AskSession {
 public:
  AskSession(Api& api, EventLoop& loop, AskOptions options);
  // Blocks; returns the exit code.
  int run();

 private:
  void ask();
  void resume();
  void start(http::Request request);
  void on_headers(int attempt, int status, const std::string& stream);
  void on_data(int attempt, const std::string& bytes);
  void on_done(int attempt, const Result<int>& status);
  void on_event(const http::SseEvent& event);
  void on_terminal(const std::string& kind, const Json& data);
  void on_interrupt();
  void try_again();
  void print_fresh();
  void print_end(const std::string& kind, const Json& data);
  void check_whole(const Json& data);
  void fail(const Error& error);
  void finish(int exit_code);

  Api& api_;
  EventLoop& loop_;
  AskOptions options_;
  std::string request_id_;

  int attempt_ = 0;  // events of earlier connections are dropped
  http::Handle handle_ = 0;
  int status_ = 0;
  std::string error_body_;
  http::SseParser parser_;
  bool broken_ = false;  // this connection is given up
  std::chrono::milliseconds retry_delay_;
  std::optional<std::chrono::steady_clock::time_point> broken_since_;

  std::string stream_;
  std::string conversation_;
  std::uint64_t last_seq_ = 0;
  AnswerText text_;
  Json passages_ = Json::array();
  Json coverage_;
  std::vector<std::int64_t> cited_;
  bool interrupted_ = false;
  bool ended_ = false;
  int exit_code_ = 0;
};

// `answermill ask` from its flags on.
int ask_main(int argc, const char* const* argv);

}  // namespace answermill::command
