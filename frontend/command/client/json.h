// Reading the server's JSON without surprises: a field that is missing or of another type gives the fallback.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace answermill::command {

using Json = nlohmann::json;

inline const Json& member(const Json& object, const char* name) {
  static const Json kNothing;
  if (!object.is_object()) return kNothing;
  const auto found = object.find(name);
  return found == object.end() ? kNothing : *found;
}

inline std::string text_of(const Json& object, const char* name, std::string fallback = {}) {
  const Json& value = member(object, name);
  return value.is_string() ? value.get<std::string>() : fallback;
}

inline double number_of(const Json& object, const char* name, double fallback = 0) {
  const Json& value = member(object, name);
  return value.is_number() ? value.get<double>() : fallback;
}

inline std::int64_t integer_of(const Json& object, const char* name, std::int64_t fallback = 0) {
  const Json& value = member(object, name);
  if (value.is_number_integer()) return value.get<std::int64_t>();
  return value.is_number() ? static_cast<std::int64_t>(value.get<double>()) : fallback;
}

inline bool is_true(const Json& object, const char* name) {
  const Json& value = member(object, name);
  return value.is_boolean() && value.get<bool>();
}

// One line, whatever bytes are in it.
inline std::string to_line(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace answermill::command
