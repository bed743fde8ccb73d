// What a worker process runs: a stage takes leased jobs and finishes each exactly once.
//
// Thread: start() and cancel() are called from the runtime's loop thread and must return at once (hand heavy work
// to threads of the stage; SyncStage below does it for you). JobHandle is safe from any thread.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "shared/messages/jobs.h"

namespace answermill::runtime {

struct Job {
  messages::JobSpec spec;
  std::uint32_t attempt = 1;
  std::uint64_t fence = 0;
  std::uint64_t owner_epoch = 0;      // routed stages: the epoch to fence this key's writes with
  messages::StreamState stream;       // what the stream shows already: continue from here
  std::string attachment;
  std::chrono::steady_clock::time_point deadline;  // max() for none
};

// The running job's way back to the broker. Kept by the stage until finish(); events emitted after it are dropped.
class JobHandle {
 public:
  virtual ~JobHandle() = default;

  // Appends text to the stream at once. `text` need not end at a code point: the rest is held back until it does.
  virtual void emit_token(std::string_view text) = 0;
  virtual void emit(messages::StreamEventKind kind, std::string data) = 0;
  // Cuts the shown text back to `offset` bytes (the model could not continue from the prefix).
  virtual void rewind(std::uint64_t offset) = 0;
  // Bytes of stream text emitted so far, the lease's prefix included.
  virtual std::uint64_t text_length() const = 0;

  // A sign of life; `units_done` of the job's own units when it can tell.
  virtual void progress(std::uint32_t units_done) = 0;
  // True once the broker revoked the job: stop soon, then finish() with any outcome (it is dropped).
  virtual bool cancelled() const = 0;

  // The outcome's `events` are what shall be appended after everything emitted; their sequence numbers and offsets
  // are filled in by the runtime, and the emitted events are added in front. Exactly once.
  virtual void finish(messages::Outcome outcome) = 0;
};

class Stage {
 public:
  virtual ~Stage() = default;
  virtual std::string name() const = 0;
  virtual std::uint32_t slots() const = 0;    // jobs it wants to hold at once
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
messages::Outcome failed(const Error& error);  // retryable for unavailable, busy, timeout, upstream, fenced, disk_full
messages::Outcome malformed_payload(const Job& job);

}  // namespace answermill::runtime
