// What a model is told: the rules, the numbered passages, the conversation so far, the question.
//
// Thread: any. Pure.
#pragma once

#include <string_view>
#include <vector>

#include "shared/messages/questions.h"
#include "workers/generate/chat_api.h"

namespace answermill::generate {

// With a `prefix` (an answer that broke off) the partial answer comes last, for the model to go on from. The
// conversation is bounded: its newest turns, the long ones cut.
std::vector<ChatMessage> build_prompt(const messages::GenerateAnswer& work, std::string_view prefix);

}  // namespace answermill::generate
