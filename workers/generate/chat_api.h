// OpenAI's chat completions as text: request bodies out, stream chunks and errors in.
//
// Thread: any. Pure. Understood by OpenAI, DeepSeek, Ollama, llama.cpp's server and vLLM.
// Source: https://platform.openai.com/docs/api-reference/chat
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/result.h"

namespace answermill::generate {

struct ChatMessage {
  std::string role;
  std::string content;
};

// What a server turned out not to take.
struct ChatDialect {
  bool stream_options = true;
  bool temperature = true;
  bool completion_tokens = false;  // max_completion_tokens in place of max_tokens
};

struct ChatRequest {
  std::string model;
  double temperature = 0.7;
  std::uint32_t max_tokens = 1000;
  std::vector<ChatMessage> messages;
};

// "https://api.openai.com/v1" and "http://localhost:11434" alike give the URL of chat completions.
std::string chat_url(std::string_view base_url);

std::string chat_request_body(const ChatRequest& request, const ChatDialect& dialect);

struct ChatChunk {
  std::string text;
  bool thinking = false;  // a sign of life that is not part of the answer
  std::string finish_reason;
  bool has_usage = false;
  std::uint64_t input_tokens = 0;
  std::uint64_t output_tokens = 0;
  std::string error;  // the server gave up in the middle
};

// One event's data, or a whole completion of a server that does not stream. Errors: kUpstream for what is not
// JSON.
Result<ChatChunk> parse_chat_chunk(std::string_view data);

struct ChatFailure {
  ErrorCode code = ErrorCode::kUpstream;
  std::string message;  // for people; the key is masked
  bool retryable = false;
};
ChatFailure chat_failure(int status, std::string_view body, std::string_view key);

// Cuts a server's message to a sane length and masks the key.
std::string clean_message(std::string_view message, std::string_view key);

// True when a refused request (status 400 or 422) may succeed in another dialect, which `dialect` then is.
bool adapt_dialect(ChatDialect& dialect, int status, std::string_view body);

// About four characters a token, one for Han and kin: for when a server does not count.
std::uint64_t estimate_tokens(std::string_view text);

}  // namespace answermill::generate
