#include "frontend/command/fleet/worker_counts.h"

#include <fmt/format.h>

#include <charconv>
#include <set>

#include "shared/config/settings_file.h"

namespace answermill::command {
namespace {

Error bad(std::string message) { return Error{ErrorCode::kInvalidArgument, std::move(message)}; }

int* count_of(WorkerCounts& counts, std::string_view stage) {
  if (stage == "extract") return &counts.extract;
  if (stage == "embed") return &counts.embed;
  if (stage == "index") return &counts.index;
  if (stage == "generate") return &counts.generate;
  if (stage == "frontend") return &counts.frontend;
  return nullptr;
}

// Its workers hold nothing, so all of them may be on other hosts.
bool may_be_elsewhere(std::string_view stage) { return stage != "index" && stage != "frontend"; }

}  // namespace

Result<WorkerCounts> parse_worker_counts(std::string_view text, WorkerCounts counts) {
  std::set<std::string, std::less<>> seen;
  for (const std::string& item : config::split_list(text)) {
    const std::string_view view = item;
    const std::size_t equals = view.find('=');
    const std::string_view stage = config::trimmed(view.substr(0, equals));
    int* count = count_of(counts, stage);
    if (count == nullptr) {
      return bad(
          fmt::format("'{}' is no stage: there are extract, embed, index, generate and frontend", stage));
    }
    if (!seen.emplace(stage).second) return bad(fmt::format("{} is given twice", stage));
    const std::string_view digits =
        equals == std::string_view::npos ? std::string_view{} : config::trimmed(view.substr(equals + 1));
    const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), *count);
    const int fewest = may_be_elsewhere(stage) ? 0 : 1;
    if (problem != std::errc{} || end != digits.data() + digits.size() || *count < fewest ||
        *count > kMostOfOneStage) {
      return bad(
          fmt::format("{} needs a number from {} to {}, as in {}=2", stage, fewest, kMostOfOneStage, stage));
    }
  }
  return counts;
}

std::string to_string(const WorkerCounts& counts) {
  return fmt::format("extract={},embed={},index={},generate={},frontend={}", counts.extract, counts.embed,
                     counts.index, counts.generate, counts.frontend);
}

}  // namespace answermill::command
