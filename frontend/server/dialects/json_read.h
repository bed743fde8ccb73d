// Reading one JSON object from a stranger: bounded depth, typed fields, one sentence when something is wrong.
// Only the dialects' own .cpp files include this.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/result.h"

namespace answermill::frontend {

// Any value, in UTF-8 and not too deep. Errors: kMalformed.
Result<nlohmann::json> parse_json(std::string_view bytes);

class JsonObject {
 public:
  explicit JsonObject(nlohmann::json object) : value_(std::move(object)) {}
  // Errors: kMalformed.
  static Result<JsonObject> parse(std::string_view bytes);

  // Absent and null give the empty value; another type is noted for wrong_type().
  std::string text(const char* name);
  std::vector<std::string> texts(const char* name);
  std::optional<std::uint64_t> number(const char* name);
  bool flag(const char* name);
  JsonObject object(const char* name);
  bool has(const char* name) const;
  // For fields that are more than that; null when absent or null.
  const nlohmann::json* find(const char* name) const;
  std::optional<Error> wrong_type() const;

 private:
  void note(const char* name, const char* wanted);

  nlohmann::json value_;
  std::optional<Error> wrong_;
};

}  // namespace answermill::frontend
