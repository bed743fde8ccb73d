#include "broker/queue/drain_rate.h"

#include <algorithm>
#include <cmath>

namespace answermill::broker {
namespace {
constexpr std::chrono::milliseconds kMeasure{500};
constexpr std::chrono::seconds kForget{30};  // a measure this old says nothing any more
constexpr double kNewShare = 0.5;
}  // namespace

void DrainRate::measure(std::uint64_t left, TimePoint now) {
  const auto took = now - since_;
  if (since_ == TimePoint{} || took > kForget || left < left_) {
    rate_ = -1;
    owed_ = 0;
  } else if (took < kMeasure) {
    return;
  } else {
    const auto gone = static_cast<double>(left - left_);
    const double fresh = gone / std::chrono::duration<double>(took).count();
    rate_ = rate_ < 0 ? fresh : kNewShare * fresh + (1 - kNewShare) * rate_;
    owed_ = std::max(0.0, owed_ - gone);
  }
  since_ = now;
  left_ = left;
}

std::chrono::milliseconds DrainRate::refuse(std::uint64_t left, TimePoint now, const RetryBounds& bounds) {
  measure(left, now);
  owed_ += 1;
  if (rate_ < 0) return bounds.unknown;
  const auto most = static_cast<double>(bounds.most.count());
  const double wait = rate_ > 0 ? std::min(most, 1000 * owed_ / rate_) : most;
  return std::max(bounds.least, std::chrono::milliseconds(std::llround(wait)));
}

}  // namespace answermill::broker
