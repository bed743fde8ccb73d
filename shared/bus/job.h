// A leased job as its consumer sees it, and the way its outcome goes back.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "shared/messages/jobs.h"

namespace answermill::bus {

struct Job {
  messages::JobSpec spec;
  std::uint32_t attempt = 1;
  std::uint64_t fence = 0;
  std::uint64_t owner_epoch = 0;  // routed stages: the epoch to fence this key's writes with
  messages::StreamState stream;   // what the stream shows already: continue from here
  std::string attachment;
  std::chrono::steady_clock::time_point deadline;  // max() for none
};

// The running job's way back to the broker. Kept by the stage until finish(); events emitted after it are
// dropped.
class JobHandle {
 public:
  virtual ~JobHandle() = default;

  // Appends text to the stream at once. `text` need not end at a code point: the rest is held back until it
  // does.
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

  // The outcome's `events` are what shall be appended after everything emitted; their sequence numbers and
  // offsets are filled in by the runtime, and the emitted events are added in front. Exactly once.
  virtual void finish(messages::Outcome outcome) = 0;
};

}  // namespace answermill::bus
