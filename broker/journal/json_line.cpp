#include "broker/journal/json_line.h"

#include <fmt/format.h>

#include <algorithm>

#include "shared/text/utf8.h"

namespace answermill::broker {
namespace {

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

// Source: RFC 4648, section 4
std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t have = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t word = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      word = word << 8U | (j < have ? static_cast<unsigned char>(bytes[i + j]) : 0U);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      out += j <= have ? kDigits[word >> (18U - 6U * j) & 63U] : '=';
    }
  }
  return out;
}

}  // namespace

void JsonLine::name(std::string_view name) {
  if (!fields_.empty()) fields_ += ',';
  fields_ += quoted(name) + ":";
}

JsonLine& JsonLine::text(std::string_view field, std::string_view value) {
  if (value.empty()) return *this;
  if (!text::is_valid_utf8(value)) return bytes(field, value);
  name(field);
  fields_ += quoted(value);
  return *this;
}

JsonLine& JsonLine::bytes(std::string_view field, std::string_view value) {
  if (value.empty()) return *this;
  name(std::string(field) + "_base64");
  fields_ += quoted(base64(value));
  return *this;
}

JsonLine& JsonLine::number(std::string_view field, std::int64_t value) {
  name(field);
  fields_ += std::to_string(value);
  return *this;
}

JsonLine& JsonLine::flag(std::string_view field, bool value) {
  name(field);
  fields_ += value ? "true" : "false";
  return *this;
}

JsonLine& JsonLine::object(std::string_view field, const JsonLine& value) {
  name(field);
  fields_ += value.str();
  return *this;
}

JsonLine& JsonLine::array(std::string_view field, const std::vector<JsonLine>& values) {
  name(field);
  std::string items;
  for (const auto& value : values) items += (items.empty() ? "" : ",") + value.str();
  fields_ += "[" + items + "]";
  return *this;
}

}  // namespace answermill::broker
