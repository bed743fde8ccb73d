// Text as an array of code points, for the parts that count and index characters.
//
// Thread: pure functions.
#pragma once

#include <string>
#include <string_view>

#include "shared/text/utf8.h"

namespace answermill::extract {

inline std::u32string to_code_points(std::string_view utf8) {
  std::u32string out;
  out.reserve(utf8.size());
  for (std::size_t at = 0; at < utf8.size();) out.push_back(text::next_code_point(utf8, at));
  return out;
}

inline std::string to_utf8(std::u32string_view code_points) {
  std::string out;
  out.reserve(code_points.size() + code_points.size() / 8);
  for (const char32_t c : code_points) text::append_code_point(out, c);
  return out;
}

inline bool is_space(char32_t c) {
  return c == U' ' || (c >= 0x09 && c <= 0x0D) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}
inline bool is_digit(char32_t c) { return c >= U'0' && c <= U'9'; }
inline bool is_lower(char32_t c) {
  return (c >= U'a' && c <= U'z') || (c >= 0xDF && c <= 0xFF && c != 0xF7) || (c >= 0x3B1 && c <= 0x3C9) ||
         (c >= 0x430 && c <= 0x45F);
}
inline bool is_upper(char32_t c) {
  return (c >= U'A' && c <= U'Z') || (c >= 0xC0 && c <= 0xDE && c != 0xD7) || (c >= 0x391 && c <= 0x3A9) ||
         (c >= 0x400 && c <= 0x42F);
}
// Scripts that are written without spaces and take about a token per character.
inline bool is_dense_script(char32_t c) {
  return (c >= 0x2E80 && c <= 0x9FFF) || (c >= 0xAC00 && c <= 0xD7AF) || (c >= 0xF900 && c <= 0xFAFF) ||
         (c >= 0xFF01 && c <= 0xFF9F) || (c >= 0x20000 && c <= 0x3FFFF);
}
inline bool is_letter(char32_t c) {
  return (c >= U'a' && c <= U'z') || (c >= U'A' && c <= U'Z') ||
         (c >= 0xC0 && c <= 0x1FFF && c != 0xD7 && c != 0xF7) || is_dense_script(c);
}

}  // namespace answermill::extract
