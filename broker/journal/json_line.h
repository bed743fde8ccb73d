// One JSON object on one line, field by field.
//
// Thread: one. Source: RFC 8259
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace answermill::broker {

class JsonLine {
 public:
  JsonLine& text(std::string_view name, std::string_view value);   // empty ones are left out
  JsonLine& bytes(std::string_view name, std::string_view value);  // as NAME_base64; empty ones are left out
  JsonLine& number(std::string_view name, std::int64_t value);
  JsonLine& flag(std::string_view name, bool value);
  JsonLine& object(std::string_view name, const JsonLine& value);
  JsonLine& array(std::string_view name, const std::vector<JsonLine>& values);
  std::string str() const { return "{" + fields_ + "}"; }

 private:
  void name(std::string_view name);
  std::string fields_;
};

}  // namespace answermill::broker
