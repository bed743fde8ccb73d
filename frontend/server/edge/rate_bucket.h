// How often something may happen: so many a minute on average, all of them at once if need be. Pure.
//
// Source: GCRA, ITU-T I.371 annex A. The one time kept is when the bucket will be full again: a bucket that
// is full is as good as a new one, so it can be forgotten.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace answermill::frontend {

class RateBucket {
 public:
  using Clock = std::chrono::steady_clock;

  // Takes one. Zero: taken. Else: nothing was taken, and how long to wait until one can be.
  // `per_minute` 0 is no limit.
  Clock::duration take(std::uint32_t per_minute, Clock::time_point now) {
    if (per_minute == 0) return {};
    constexpr Clock::duration kDepth = std::chrono::minutes(1);
    const Clock::time_point next = std::max(full_at_, now) + kDepth / per_minute;
    if (next - now > kDepth) return next - now - kDepth;
    full_at_ = next;
    return {};
  }

  bool full(Clock::time_point now) const { return full_at_ <= now; }

 private:
  Clock::time_point full_at_{};
};

}  // namespace answermill::frontend
