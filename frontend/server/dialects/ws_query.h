// The `/ws/query` dialect as text: search results at once, then the answer token by token. Pure.
// Source: docs/protocol.md, "`/ws/query`".
//
// Units: timestamps are Unix seconds; scores and distances are numbers, never null.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "frontend/server/dialects/denial.h"
#include "frontend/server/dialects/views.h"
#include "shared/base/result.h"

namespace answermill::frontend::ws_query {

struct Ask {
  std::string question;
  bool humanize = true;  // false: the passages are all that is wanted
  bool stream = true;
  std::optional<std::string> session_id;
  std::string collection;  // empty: as the session before, else the default one
};

// Errors: kMalformed, kInvalidArgument.
Result<Ask> parse(std::string_view text);

// `status` is what happens from now on: "searching", "generating", or "complete" when nothing follows.
std::string status(std::string_view status, const Ask& ask, const AnswerView& answer, double now);
std::string immediate(const Ask& ask, const messages::SourcesEvent& found, std::string_view stream,
                      double now);
std::string stream_start(const AnswerView& answer, double now);
std::string stream_token(std::string_view token);
std::string stream_end(const Ask& ask, const AnswerView& answer, std::uint64_t tokens, double now);
// The whole answer, in place of what was streamed of it.
std::string overview(const Ask& ask, const AnswerView& answer, double now);
std::string denied(const Denial& denial, double now);
std::string error(const Error& error, std::string_view stream, double now);

}  // namespace answermill::frontend::ws_query
