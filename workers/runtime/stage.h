// What a worker process runs: a stage takes leased jobs and finishes each exactly once.
//
// Thread: start() and cancel() are called from the runtime's loop thread and must return at once (hand heavy
// work to threads of the stage; SyncStage below does it for you). JobHandle is safe from any thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "shared/bus/job.h"
#include "shared/messages/jobs.h"

namespace answermill::runtime {

using bus::Job;
using bus::JobHandle;

class Stage {
 public:
  virtual ~Stage() = default;
  virtual std::string name() const = 0;
  virtual std::uint32_t slots() const = 0;           // jobs it wants to hold at once
  virtual std::string detail() const { return {}; }  // e.g. the model in use
  virtual void start(Job job, std::shared_ptr<JobHandle> handle) = 0;
  virtual void cancel(const std::string& job_id) { (void)job_id; }  // cancelled() is already true
};

// For stages that compute: `threads` threads run handle() one job each.
using SyncHandler = std::function<messages::Outcome(const Job&, JobHandle&)>;
std::unique_ptr<Stage> make_sync_stage(std::string name, std::uint32_t threads, std::string detail,
                                       SyncHandler handler);

// Outcome shorthands.
messages::Outcome failed(ErrorCode code, std::string message, bool retryable);
messages::Outcome failed(
    const Error& error);  // retryable for unavailable, busy, timeout, upstream, fenced, disk_full
messages::Outcome malformed_payload(const Job& job);

}  // namespace answermill::runtime
