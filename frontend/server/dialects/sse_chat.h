// The `/chat/stream` and `/fast_chat/stream` dialect: named steps while an answer is made, then the result,
// as server-sent events; and the JSON of their twins that do not stream. Pure. Source: docs/protocol.md,
// "`/chat` and `/fast_chat`".
//
// Units: timestamps are Unix seconds.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/server/dialects/answer_wire.h"
#include "frontend/server/dialects/denial.h"
#include "shared/base/result.h"

namespace answermill::frontend::chat {

enum class Kind { kChat, kFastChat };

struct Body {
  std::string query;
  bool auto_load_documents = true;     // false: only `documents` are looked at
  std::vector<std::string> documents;  // ids; empty: all of the collection
  std::string collection;
  std::optional<std::string> session_id;
};
// Errors: kMalformed, kInvalidArgument.
Result<Body> parse(std::string_view body);

// Where a client that reconnects stands; its Last-Event-ID.
struct Cursor {
  std::string stream;
  std::uint64_t seq = 0;
};
std::optional<Cursor> parse_event_id(std::string_view id);

std::unique_ptr<AnswerWire> answer_wire(Kind kind, Body body, std::optional<std::uint64_t> after_seq);

// A request that is not let in, as the one event of its stream.
std::string denied(const Denial& denial);

// The answer as one object. Errors: those of an answer that has no good end.
Result<std::string> result(const Body& body, const AnswerView& answer, double now);

}  // namespace answermill::frontend::chat
