// `answermill ingest`: uploads files, several at once, and follows each until it is searchable or failed.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "frontend/command/client/api.h"
#include "frontend/command/client/event_loop.h"
#include "frontend/command/client/ingest_lines.h"
#include "frontend/command/client/ingest_screen.h"
#include "shared/http/sse.h"

namespace answermill::command {

struct IngestOptions {
  ClientOptions client;
  std::string collection;
  std::vector<std::string> files;
};

// Thread: the loop's.
class IngestSession {
 public:
  IngestSession(Api& api, EventLoop& loop, IngestScreen screen, IngestOptions options);
  // Blocks; returns the exit code.
  int run();

 private:
  // The connection a file has at the moment: its upload, or the one that follows its document.
  struct Link {
    int attempt = 0;  // what earlier connections still say is dropped
    int status = 0;
    std::string body;
    http::SseParser parser;
    std::chrono::milliseconds retry_delay{0};
    std::optional<std::chrono::steady_clock::time_point> broken_since;
    int uploads = 0;
  };

  Status make_collection();
  void pump();
  void upload(std::size_t index);
  void follow(std::size_t index);
  void start(std::size_t index, http::Request request);
  void on_data(std::size_t index, int attempt, const std::string& bytes);
  void on_done(std::size_t index, int attempt, const Result<int>& status);
  void on_upload_done(std::size_t index, const Result<int>& status);
  void on_follow_done(std::size_t index, const Result<int>& status);
  void take_document(std::size_t index, const Json& document);
  bool retry_later(std::size_t index);
  void fail(std::size_t index, const Error& error);
  void finish(std::size_t index);
  void draw_soon();
  void on_interrupt();

  Api& api_;
  EventLoop& loop_;
  IngestScreen screen_;
  IngestOptions options_;
  std::vector<FileProgress> files_;
  std::vector<Link> links_;
  std::size_t next_ = 0;
  std::size_t uploading_ = 0;
  std::size_t under_way_ = 0;
  std::size_t finished_ = 0;
  bool draw_planned_ = false;
  bool interrupted_ = false;
  bool any_failed_ = false;
  bool any_reached_ = false;
  bool any_unreachable_ = false;
};

// `answermill ingest` from its flags on.
int ingest_main(int argc, const char* const* argv);

}  // namespace answermill::command
