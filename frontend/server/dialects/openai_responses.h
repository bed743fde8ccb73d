// OpenAI's Responses API, whole and streamed with sequence numbers. Pure.
// Source: https://platform.openai.com/docs/api-reference/responses and …/responses-streaming;
// docs/protocol.md, "OpenAI-compatible".
//
// An event's sequence number follows from the answer alone, whoever reads it and however its text was cut
// into deltas: a delta's is 3 plus the bytes of the text up to its end. So any frontend resumes after any
// number.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "frontend/server/dialects/answer_wire.h"
#include "frontend/server/dialects/openai.h"

namespace answermill::frontend::openai {

inline constexpr char kResponsePrefix[] = "resp_";

struct ResponsesBody {
  std::string model;
  Prompt prompt;
  Sampling sampling;
  std::string previous;  // response id; empty for none
  bool stream = false;
};
// Errors: kMalformed, kInvalidArgument.
Result<ResponsesBody> parse_responses(std::string_view body);

// What the request said about a response, and the answer itself does not.
struct ResponseFacts {
  std::int64_t created = 0;  // Unix seconds
  std::string previous;
  Sampling sampling;
};

// `starting_after`: only events with a higher sequence number.
std::unique_ptr<AnswerWire> responses_wire(ResponseFacts facts, std::optional<std::uint64_t> starting_after);
// As it is at this moment.
std::string response(const ResponseFacts& facts, const AnswerView& answer);

}  // namespace answermill::frontend::openai
