// UTF-8 (RFC 3629): validation, repair and code-point arithmetic.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace answermill::text {

inline constexpr char32_t kReplacement = 0xFFFD;

bool is_valid_utf8(std::string_view bytes);

// Replaces every ill-formed sequence by U+FFFD (maximal subparts, as the Unicode Standard 3.9 advises).
std::string repair_utf8(std::string_view bytes);

// Decodes the code point at `position` and advances it; kReplacement (advance 1 or more) when ill-formed.
char32_t next_code_point(std::string_view bytes, std::size_t& position);

void append_code_point(std::string& out, char32_t code_point);

// Code points in valid UTF-8.
std::size_t count_code_points(std::string_view bytes);

// The largest prefix length ≤ limit that does not split a code point.
std::size_t floor_boundary(std::string_view bytes, std::size_t limit);

// The byte offset of code point number `index` (bytes.size() when past the end).
std::size_t byte_offset_of(std::string_view bytes, std::size_t index);

}  // namespace answermill::text
