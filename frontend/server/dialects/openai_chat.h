// OpenAI's chat completions, whole and streamed. Pure.
// Source: https://platform.openai.com/docs/api-reference/chat, docs/protocol.md, "OpenAI-compatible".
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "frontend/server/dialects/answer_wire.h"
#include "frontend/server/dialects/openai.h"

namespace answermill::frontend::openai {

inline constexpr char kChatPrefix[] = "chatcmpl-";

struct ChatBody {
  std::string model;
  Prompt prompt;
  Sampling sampling;
  bool stream = false;
  bool include_usage = false;
};
// Errors: kMalformed, kInvalidArgument.
Result<ChatBody> parse_chat(std::string_view body);

std::unique_ptr<AnswerWire> chat_wire(const ChatBody& body);
// Errors: those of an answer that has no good end.
Result<std::string> chat_completion(const AnswerView& answer, std::int64_t created);

}  // namespace answermill::frontend::openai
