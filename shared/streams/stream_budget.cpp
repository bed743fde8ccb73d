#include "shared/streams/stream_budget.h"

namespace answermill::streams {

void StreamBudget::resize(const std::string& stream, std::size_t bytes) {
  Kept& kept = kept_[stream];
  total_ += bytes - kept.bytes;
  kept.bytes = bytes;
}

void StreamBudget::set(const std::string& stream, Leaves leaves, TimePoint since) {
  const auto found = kept_.find(stream);
  if (found == kept_.end()) return;
  line_.erase(turn(*found));
  found->second.leaves = leaves;
  found->second.since = since;
  if (leaves != Leaves::kNever) line_.insert(turn(*found));
}

void StreamBudget::forget(const std::string& stream) {
  const auto found = kept_.find(stream);
  if (found == kept_.end()) return;
  line_.erase(turn(*found));
  total_ -= found->second.bytes;
  kept_.erase(found);
}

const std::string* StreamBudget::next_to_leave() const {
  return exceeded() && !line_.empty() ? std::get<2>(*line_.begin()) : nullptr;
}

}  // namespace answermill::streams
