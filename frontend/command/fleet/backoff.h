// How long to wait before a child that died is started again.
#pragma once

#include <algorithm>
#include <chrono>

namespace answermill::command {

struct BackoffTimes {
  std::chrono::milliseconds first{100};
  std::chrono::milliseconds longest{5'000};
  std::chrono::milliseconds healthy{10'000};  // a life this long forgives earlier deaths
};

class Backoff {
 public:
  explicit Backoff(BackoffTimes times = {}) : times_(times), next_(times.first) {}

  // The delay after a life of `lived`: doubles from death to death.
  std::chrono::milliseconds after_life_of(std::chrono::milliseconds lived) {
    if (lived >= times_.healthy) next_ = times_.first;
    const std::chrono::milliseconds delay = next_;
    next_ = std::min(next_ * 2, times_.longest);
    return delay;
  }

 private:
  BackoffTimes times_;
  std::chrono::milliseconds next_;
};

}  // namespace answermill::command
