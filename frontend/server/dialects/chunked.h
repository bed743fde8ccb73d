// Answers over plain chunked HTTP: the bare text as it grows, or one JSON event a line. Pure.
// Source: docs/protocol.md, "Chunked HTTP"; lines as in https://github.com/ndjson/ndjson-spec.
#pragma once

#include <cstddef>
#include <memory>

#include "frontend/server/dialects/answer_wire.h"

namespace answermill::frontend::chunked {

inline constexpr char kTextType[] = "text/plain; charset=utf-8";
inline constexpr char kLinesType[] = "application/x-ndjson";

// From byte `offset` of the text on. It cannot take words back: a text that takes another turn, or whose
// answer fails, is cut off.
std::unique_ptr<AnswerWire> text_wire(std::size_t offset);
std::unique_ptr<AnswerWire> lines_wire(Shape shape, Place place);

}  // namespace answermill::frontend::chunked
