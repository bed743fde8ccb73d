// One answer by a model server: the request, its stream, its end.
//
// Thread: the HTTP client's only, from begin() on. Owns itself: its callbacks keep it alive until finish() is
// called. Errors: kUpstream and kTimeout with the server's words, retryable while another attempt may do
// better.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "shared/http/client.h"
#include "shared/http/sse.h"
#include "workers/generate/answer_text.h"
#include "workers/generate/chat_api.h"
#include "workers/generate/continuation.h"
#include "workers/generate/model_config.h"
#include "workers/runtime/stage.h"

namespace answermill::generate {

class ModelAnswer : public std::enable_shared_from_this<ModelAnswer> {
 public:
  struct Setting {
    http::Client* client = nullptr;  // outlives every answer
    std::shared_ptr<const ModelConfig> config;
    std::shared_ptr<ChatDialect> dialect;  // shared by all answers: learned once
  };

  ModelAnswer(Setting setting, runtime::Job job, messages::GenerateAnswer work,
              std::shared_ptr<runtime::JobHandle> handle, std::function<void()> on_end);

  void begin();
  // Closes the connection to the server at once.
  void cancel();

 private:
  using Clock = std::chrono::steady_clock;

  void send();
  void take_headers(int status);
  void take_bytes(std::string_view bytes);
  void take_data(std::string_view data);
  void take_text(std::string_view text);
  void take_status(Result<int> status);
  enum class Wait { kFirstSign, kNextSign };
  void arm_watch(Wait wait, Clock::time_point due);
  void watch(Wait wait);
  void complete();
  void fail(ErrorCode code, std::string message, bool retryable);
  void end(messages::Outcome outcome);
  messages::AnswerMeta meta() const;

  Setting setting_;
  runtime::Job job_;
  messages::GenerateAnswer work_;
  std::shared_ptr<runtime::JobHandle> handle_;
  std::function<void()> on_end_;
  AnswerText answer_;
  Continuation continuation_;
  ChatRequest request_;
  http::Handle transfer_ = 0;
  http::SseParser events_;
  std::string body_;  // of a refusal, or of a server that does not stream
  int status_ = 0;
  bool streaming_ = false;  // at least one event came
  bool done_mark_ = false;  // [DONE]
  bool ended_ = false;
  std::string finish_reason_;
  bool has_usage_ = false;
  std::uint64_t input_tokens_ = 0;
  std::uint64_t output_tokens_ = 0;
  std::size_t new_bytes_ = 0;  // of text by this attempt
  Clock::time_point began_;
  Clock::time_point first_token_;
  Clock::time_point last_sign_;
  bool alive_ = false;  // something of the answer, or of the thinking before it, has come
};

}  // namespace answermill::generate
