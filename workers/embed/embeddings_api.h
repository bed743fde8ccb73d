// OpenAI's embeddings API as text: request bodies out, response bodies in.
//
// Thread: any. Pure.
// Source: https://platform.openai.com/docs/api-reference/embeddings
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/result.h"

namespace answermill::embed {

std::string embeddings_request(std::string_view model, const std::vector<std::string>& texts);

// The vectors in the order of the inputs, each brought to unit length: texts × dimension.
// Errors: kUpstream when the body is not what it should be.
Result<std::vector<float>> parse_embeddings(std::string_view body, std::size_t texts);

// What a server's error body says for people, shortened; empty when it says nothing.
std::string error_message_of(std::string_view body);

}  // namespace answermill::embed
