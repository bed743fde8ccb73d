// What an HTTP answer looks like on the wire: status lines, heads and the error body of docs/protocol.md.
#pragma once

#include <string>
#include <string_view>

#include "frontend/server/edge/http.h"

namespace answermill::frontend {

inline constexpr std::string_view kJsonType = "application/json; charset=utf-8";
inline constexpr std::string_view kHtmlType = "text/html; charset=utf-8";

std::string_view reason_phrase(int status);

// {"error":{"code","message","retryable"}} with the code that belongs to the status.
std::string error_json(int status, std::string_view message);
std::string error_json(const Refusal& refusal);  // with the scope or the time that is missing

// What beside the body tells a client what to do: WWW-Authenticate (RFC 6750), Retry-After.
Headers refusal_headers(const Refusal& refusal);

// A page of one sentence, for people who opened a wrong address.
std::string error_html(int status, std::string_view message);

// How the end of a body is told.
enum class BodyFraming { kLength, kChunked, kUntilClose, kNone };

struct AnswerHead {
  int status = 200;
  std::string_view content_type;  // empty for none
  BodyFraming framing = BodyFraming::kLength;
  std::size_t length = 0;  // for kLength
  bool keep_alive = true;
  bool http10 = false;
};

// Header values from `extra` lose any CR, LF or NUL: an answer cannot be split.
std::string format_head(const AnswerHead& head, const Headers& extra);

// One chunk of a chunked body (RFC 9112 section 7.1).
std::string chunk_prefix(std::size_t size);
inline constexpr std::string_view kChunkSuffix = "\r\n";
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

}  // namespace answermill::frontend
