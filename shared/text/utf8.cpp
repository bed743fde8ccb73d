#include "shared/text/utf8.h"

#include <algorithm>

namespace answermill::text {
namespace {

struct Decoded {
  char32_t code_point;
  std::size_t length;
  bool valid;
};

// Table 3-7 of the Unicode Standard: the well-formed ranges of the second byte.
Decoded decode(std::string_view bytes, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(bytes[i]); };
  const std::uint8_t lead = byte(at);
  if (lead < 0x80) return {lead, 1, true};
  if (lead < 0xC2 || lead > 0xF4) return {kReplacement, 1, false};
  const std::size_t need = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  std::uint8_t low = 0x80;
  std::uint8_t high = 0xBF;
  if (lead == 0xE0) low = 0xA0;
  if (lead == 0xED) high = 0x9F;
  if (lead == 0xF0) low = 0x90;
  if (lead == 0xF4) high = 0x8F;
  char32_t code_point = lead & (0x7FU >> need);
  for (std::size_t i = 1; i < need; ++i) {
    if (at + i >= bytes.size() || byte(at + i) < low || byte(at + i) > high) return {kReplacement, i, false};
    code_point = (code_point << 6U) | (byte(at + i) & 0x3FU);
    low = 0x80;
    high = 0xBF;
  }
  return {code_point, need, true};
}

bool is_continuation(char c) { return (static_cast<std::uint8_t>(c) & 0xC0U) == 0x80; }

}  // namespace

bool is_valid_utf8(std::string_view bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    const auto decoded = decode(bytes, at);
    if (!decoded.valid) return false;
    at += decoded.length;
  }
  return true;
}

std::string repair_utf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (std::size_t at = 0; at < bytes.size();) {
    const auto decoded = decode(bytes, at);
    if (decoded.valid) {
      out.append(bytes, at, decoded.length);
    } else {
      append_code_point(out, kReplacement);
    }
    at += decoded.length;
  }
  return out;
}

char32_t next_code_point(std::string_view bytes, std::size_t& position) {
  const auto decoded = decode(bytes, position);
  position += decoded.length;
  return decoded.code_point;
}

void append_code_point(std::string& out, char32_t c) {
  const auto put = [&](char32_t value) { out.push_back(static_cast<char>(value)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0U | (c >> 6U));
    put(0x80U | (c & 0x3FU));
  } else if (c < 0x10000) {
    put(0xE0U | (c >> 12U));
    put(0x80U | ((c >> 6U) & 0x3FU));
    put(0x80U | (c & 0x3FU));
  } else {
    put(0xF0U | (c >> 18U));
    put(0x80U | ((c >> 12U) & 0x3FU));
    put(0x80U | ((c >> 6U) & 0x3FU));
    put(0x80U | (c & 0x3FU));
  }
}

std::size_t count_code_points(std::string_view bytes) {
  return static_cast<std::size_t>(
      std::count_if(bytes.begin(), bytes.end(), [](char c) { return !is_continuation(c); }));
}

std::size_t floor_boundary(std::string_view bytes, std::size_t limit) {
  if (limit >= bytes.size()) return bytes.size();
  while (limit > 0 && is_continuation(bytes[limit])) --limit;
  return limit;
}

std::size_t byte_offset_of(std::string_view bytes, std::size_t index) {
  std::size_t at = 0;
  for (; at < bytes.size(); ++at) {
    if (is_continuation(bytes[at])) continue;
    if (index-- == 0) return at;
  }
  return bytes.size();
}

}  // namespace answermill::text
