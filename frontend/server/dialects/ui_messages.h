// The Vercel AI SDK's UI message stream, version 1, over server-sent events. Pure.
// Source: https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol#ui-message-stream-protocol; docs/protocol.md,
// "AI SDK".
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "frontend/server/dialects/answer_wire.h"
#include "frontend/server/dialects/openai.h"

namespace answermill::frontend::ui {

struct ChatBody {
  std::string chat;  // the client's own name of the conversation; empty for none
  openai::Prompt prompt;
  std::string collection;
};
// Errors: kMalformed, kInvalidArgument.
Result<ChatBody> parse(std::string_view body);

std::unique_ptr<AnswerWire> answer_wire();

}  // namespace answermill::frontend::ui
