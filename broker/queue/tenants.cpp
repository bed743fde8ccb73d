#include "broker/queue/tenants.h"

#include <fmt/format.h>

#include <charconv>

namespace answermill::broker {

Status parse_weights(std::string_view text, TenantLimits& limits) {
  std::vector<std::pair<std::string, double>> weights;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(','), text.size());
    const std::string_view item = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t equals = item.rfind('=');
    double weight = 0;
    if (equals != std::string_view::npos && equals > 0) {
      const char* last = item.data() + item.size();
      const auto read = std::from_chars(item.data() + equals + 1, last, weight);
      if (read.ec != std::errc{} || read.ptr != last) weight = 0;
    }
    if (!(weight >= kLeastWeight && weight <= kMostWeight)) {
      return Error{ErrorCode::kInvalidArgument,
                   fmt::format("\"{}\" is not TENANT=WEIGHT with a weight from {} to {}", item, kLeastWeight,
                               kMostWeight)};
    }
    weights.emplace_back(item.substr(0, equals), weight);
  }
  limits.weights = std::move(weights);
  return {};
}

std::string show_weights(const TenantLimits& limits) {
  std::string text;
  for (const auto& [tenant, weight] : limits.weights) {
    text += fmt::format("{}{}={}", text.empty() ? "" : ",", tenant, weight);
  }
  return text;
}

}  // namespace answermill::broker
