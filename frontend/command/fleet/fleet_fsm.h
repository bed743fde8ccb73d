// Decides when children start, restart and stop. Pure: events and the time go in, actions come out.
//
// Life: start() → every child is spawned, in order. A child that dies is spawned again after its backoff.
// First stop(): children get SIGTERM phase by phase (the next phase when the one before is gone or has had
// its time); after `kill_after` all that is left gets SIGKILL. Second stop(): everything is killed at once.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <vector>

#include "frontend/command/fleet/backoff.h"

namespace answermill::command {

using Clock = std::chrono::steady_clock;

struct FleetTimes {
  BackoffTimes backoff;
  std::chrono::milliseconds phase_limit{2'500};  // a stop phase waits no longer for its children
  std::chrono::milliseconds kill_after{4'000};   // from stop() to SIGKILL
};

enum class FleetActionKind { kSpawn, kTerminate, kKill, kFinished };

struct FleetAction {
  FleetActionKind kind = FleetActionKind::kSpawn;
  std::size_t child = 0;  // meaningless for kFinished

  friend bool operator==(const FleetAction&, const FleetAction&) = default;
};
using FleetActions = std::vector<FleetAction>;

class FleetFsm {
 public:
  // One stop phase (0, 1, …) for each child; children are spawned in this order.
  FleetFsm(const std::vector<int>& stop_phases, FleetTimes times);

  FleetActions start(Clock::time_point now);
  // Also for a spawn that failed.
  FleetActions on_exit(std::size_t child, Clock::time_point now);
  FleetActions stop(Clock::time_point now);
  FleetActions on_time(Clock::time_point now);

  // When on_time() has something to do; nothing when only events can change anything.
  std::optional<Clock::time_point> next_time() const;
  // The delay until the child starts again; for the log.
  std::chrono::milliseconds restart_delay(std::size_t child, Clock::time_point now) const;
  bool stopping() const { return stop_began_.has_value(); }
  int stop_requests() const { return stop_requests_; }
  bool finished() const { return finished_; }

 private:
  enum class State { kIdle, kRunning, kWaiting, kGone };
  struct Child {
    int phase = 0;
    State state = State::kIdle;
    Clock::time_point since;    // kRunning: started
    Clock::time_point restart;  // kWaiting: when
    Backoff backoff;
  };

  void spawn(std::size_t child, Clock::time_point now, FleetActions& actions);
  void advance_stop(Clock::time_point now, FleetActions& actions);
  void kill_all(FleetActions& actions);
  bool phase_alive(int phase) const;

  FleetTimes times_;
  std::vector<Child> children_;
  int last_phase_ = 0;
  std::optional<Clock::time_point> stop_began_;
  Clock::time_point phase_began_;
  int stop_requests_ = 0;
  int phase_ = -1;  // the phase that was told to stop last
  bool killed_ = false;
  bool finished_ = false;
};

}  // namespace answermill::command
