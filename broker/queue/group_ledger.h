// Fan-out and fan-in of one group: counts its open jobs, adds up what they did, and derives progress that
// never runs backwards.
//
// Pure; time is given. Thread: none of its own.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "broker/queue/ready_queue.h"
#include "shared/messages/jobs.h"

namespace answermill::broker {

class GroupLedger {
 public:
  GroupLedger(messages::GroupSpec spec, TimePoint now);
  // From the journal: committed progress; open jobs are added again one by one.
  GroupLedger(messages::GroupSpec spec, messages::GroupProgress progress, TimePoint now);

  void job_opened() { ++open_; }
  // A job's committed end. Units handed on to follow-ups of the same stage are not counted twice.
  void job_done(const messages::JobSpec& job, const messages::Outcome& outcome);
  void job_failed(const messages::JobSpec& job, const std::string& job_id, ErrorCode code,
                  const std::string& message);
  // Units of a running attempt (0 when it ended).
  void running(const std::string& job, const std::string& stage, std::uint32_t units);
  void set_state(messages::GroupState state) {
    progress_.state = state;
    touch();
  }

  bool is_complete() const { return open_ == 0 && progress_.state == messages::GroupState::kRunning; }
  std::uint64_t open_jobs() const { return open_; }
  messages::GroupState state() const { return progress_.state; }
  const messages::GroupSpec& spec() const { return spec_; }

  // What the journal keeps.
  const messages::GroupProgress& committed() const { return progress_; }
  // `committed` is durable: from now on it is what shown() counts from.
  void show(messages::GroupProgress committed) {
    visible_ = std::move(committed);
    changed_ = true;
  }
  // Progress to show now: durable units plus those of running attempts.
  messages::GroupProgress shown(TimePoint now);
  // For the completion job, which is durable together with what it is told.
  messages::GroupProgress final_progress() const;

  bool changed() const { return changed_; }
  void mark_published() { changed_ = false; }

 private:
  messages::StageUnits& stage(const std::string& name);
  void touch();

  messages::GroupSpec spec_;
  messages::GroupProgress progress_;
  messages::GroupProgress visible_;
  std::uint64_t open_ = 0;
  struct Running {
    std::string stage;
    std::uint32_t units;
  };
  std::map<std::string, Running> running_;
  std::map<std::string, std::uint64_t> highest_;  // per stage, as shown
  TimePoint started_;
  bool changed_ = true;
};

}  // namespace answermill::broker
