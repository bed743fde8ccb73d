// When to come back to a queue that is full: told from how fast it empties.
//
// Refused submitters are spread over the time it takes to make room for all of them, since whoever comes back
// too early is refused again, and whoever comes late leaves the queue empty.
//
// Pure; time is given. Thread: none of its own.
#pragma once

#include <chrono>
#include <cstdint>

namespace answermill::broker {

struct RetryBounds {
  std::chrono::milliseconds least{100};
  std::chrono::milliseconds most{30'000};
  std::chrono::milliseconds unknown{1000};  // nothing was measured yet
};

class DrainRate {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  // One more submitter is refused while `left` jobs (or whatever the queue holds) have left it since the
  // start: when it should try again.
  std::chrono::milliseconds refuse(std::uint64_t left, TimePoint now, const RetryBounds& bounds = {});

 private:
  void measure(std::uint64_t left, TimePoint now);

  TimePoint since_{};       // of the present measure; the epoch: never refused before
  std::uint64_t left_ = 0;  // at `since_`
  double rate_ = -1;        // a second; negative: not measured
  double owed_ = 0;         // refused and not yet made room for
};

}  // namespace answermill::broker
