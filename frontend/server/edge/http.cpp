#include "frontend/server/edge/http.h"

#include "frontend/server/edge/uri.h"

namespace answermill::frontend {

std::string_view Request::header(std::string_view lower_case_name) const {
  for (const auto& [name, value] : headers) {
    if (name == lower_case_name) return value;
  }
  return {};
}

std::optional<std::string> Request::query_value(std::string_view name) const {
  return frontend::query_value(query, name);
}

}  // namespace answermill::frontend
