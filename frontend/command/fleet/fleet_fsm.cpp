#include "frontend/command/fleet/fleet_fsm.h"

#include <algorithm>

namespace answermill::command {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

}  // namespace

FleetFsm::FleetFsm(const std::vector<int>& stop_phases, FleetTimes times) : times_(times) {
  for (const int phase : stop_phases) {
    Child child;
    child.phase = phase;
    child.backoff = Backoff(times.backoff);
    children_.push_back(child);
    last_phase_ = std::max(last_phase_, phase);
  }
}

void FleetFsm::spawn(std::size_t child, Clock::time_point now, FleetActions& actions) {
  children_[child].state = State::kRunning;
  children_[child].since = now;
  actions.push_back({FleetActionKind::kSpawn, child});
}

FleetActions FleetFsm::start(Clock::time_point now) {
  FleetActions actions;
  for (std::size_t child = 0; child < children_.size(); ++child) spawn(child, now, actions);
  return actions;
}

FleetActions FleetFsm::on_exit(std::size_t child, Clock::time_point now) {
  FleetActions actions;
  Child& one = children_[child];
  if (one.state != State::kRunning) return actions;
  if (stopping()) {
    one.state = State::kGone;
    advance_stop(now, actions);
  } else {
    one.state = State::kWaiting;
    one.restart = now + one.backoff.after_life_of(duration_cast<milliseconds>(now - one.since));
  }
  return actions;
}

FleetActions FleetFsm::stop(Clock::time_point now) {
  FleetActions actions;
  if (finished_) return actions;
  ++stop_requests_;
  if (stopping()) {
    kill_all(actions);
    return actions;
  }
  stop_began_ = now;
  for (Child& child : children_) {
    if (child.state != State::kRunning) child.state = State::kGone;
  }
  advance_stop(now, actions);
  return actions;
}

FleetActions FleetFsm::on_time(Clock::time_point now) {
  FleetActions actions;
  if (stopping()) {
    if (now >= *stop_began_ + times_.kill_after) kill_all(actions);
    advance_stop(now, actions);
    return actions;
  }
  for (std::size_t child = 0; child < children_.size(); ++child) {
    if (children_[child].state == State::kWaiting && now >= children_[child].restart)
      spawn(child, now, actions);
  }
  return actions;
}

bool FleetFsm::phase_alive(int phase) const {
  return std::any_of(children_.begin(), children_.end(), [phase](const Child& child) {
    return child.state == State::kRunning && child.phase <= phase;
  });
}

void FleetFsm::advance_stop(Clock::time_point now, FleetActions& actions) {
  while (!killed_ && phase_ < last_phase_) {
    if (phase_ >= 0 && phase_alive(phase_) && now < phase_began_ + times_.phase_limit) break;
    ++phase_;
    phase_began_ = now;
    for (std::size_t child = 0; child < children_.size(); ++child) {
      if (children_[child].state == State::kRunning && children_[child].phase == phase_) {
        actions.push_back({FleetActionKind::kTerminate, child});
      }
    }
  }
  if (!finished_ && !phase_alive(last_phase_)) {
    finished_ = true;
    actions.push_back({FleetActionKind::kFinished, 0});
  }
}

void FleetFsm::kill_all(FleetActions& actions) {
  if (killed_) return;
  killed_ = true;
  for (std::size_t child = 0; child < children_.size(); ++child) {
    if (children_[child].state == State::kRunning) actions.push_back({FleetActionKind::kKill, child});
  }
}

std::optional<Clock::time_point> FleetFsm::next_time() const {
  std::optional<Clock::time_point> next;
  const auto consider = [&next](Clock::time_point time) { next = next ? std::min(*next, time) : time; };
  if (finished_ || killed_) return next;
  if (stopping()) {
    consider(*stop_began_ + times_.kill_after);
    if (phase_ < last_phase_) consider(phase_began_ + times_.phase_limit);
    return next;
  }
  for (const Child& child : children_) {
    if (child.state == State::kWaiting) consider(child.restart);
  }
  return next;
}

milliseconds FleetFsm::restart_delay(std::size_t child, Clock::time_point now) const {
  if (children_[child].state != State::kWaiting) return milliseconds{0};
  return std::max(milliseconds{0}, duration_cast<milliseconds>(children_[child].restart - now));
}

}  // namespace answermill::command
