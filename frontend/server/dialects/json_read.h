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

class JsonObject {
 public:
  // Errors: kMalformed.
  static Result<JsonObject> parse(std::string_view bytes);

  // Absent and null give the empty value; another type is noted for wrong_type().
  std::string text(const char* name);
  std::vector<std::string> texts(const char* name);
  std::optional<std::uint64_t> number(const char* name);
  bool flag(const char* name);
  bool has(const char* name) const;
  std::optional<Error> wrong_type() const;

 private:
  explicit JsonObject(nlohmann::json value) : value_(std::move(value)) {}
  const nlohmann::json* find(const char* name) const;
  void note(const char* name, const char* wanted);

  nlohmann::json value_;
  std::optional<Error> wrong_;
};

}  // namespace answermill::frontend
