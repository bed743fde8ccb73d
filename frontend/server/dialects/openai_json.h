// Parts of OpenAI-compatible objects as JSON. Only the dialects' own .cpp files include this.
#pragma once

#include "frontend/server/dialects/json_objects.h"
#include "frontend/server/dialects/json_read.h"
#include "frontend/server/dialects/openai.h"

namespace answermill::frontend::openai {

Json error_json(const Error& error);
// What the answer stands on, in a field of our own beside the standard ones.
Json extension_json(const AnswerView& answer);
// Tokens of a model that nobody counted.
bool is_estimated(const messages::AnswerMeta& meta);
// "stop", "length" or what the model's server said.
std::string finish_reason(const AnswerView& answer);

// `messages` is the array of messages, or a text that is the question. Errors: kInvalidArgument.
Result<Prompt> prompt_of(const nlohmann::json* messages, const char* name);
// `max_name` is the field that bounds the answer's tokens. Errors: kInvalidArgument.
Result<Sampling> sampling_of(const JsonObject& object, std::initializer_list<const char*> max_names);

// One server-sent event without a name.
std::string data_event(const Json& data);

}  // namespace answermill::frontend::openai
