#include "shared/base/error.h"

#include <array>

namespace answermill {
namespace {
constexpr std::array<std::string_view, 26> kNames = {
    "ok",        "internal",     "invalid_argument", "not_found", "conflict", "unavailable",
    "too_large", "unsupported",  "no_text",          "encrypted", "damaged",  "empty_file",
    "cancelled", "expired",      "quarantined",      "fenced",    "busy",     "unauthorized",
    "forbidden", "rate_limited", "upstream",         "malformed", "timeout",  "disk_full",
    "crashed",   "limit"};
}  // namespace

std::string_view to_string(ErrorCode code) {
  const auto index = static_cast<std::size_t>(code);
  return index < kNames.size() ? kNames[index] : kNames[1];
}

ErrorCode error_code_from(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<ErrorCode>(i);
  }
  return ErrorCode::kInternal;
}

}  // namespace answermill
