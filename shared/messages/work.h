// broker ROUTER ↔ worker DEALER: leases out, beats and results back.
#pragma once

#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "shared/messages/jobs.h"

namespace answermill::messages {

enum class WorkKind : std::uint8_t {
  // worker → broker
  kHello = 1,
  kBeat = 2,
  kResult = 3,
  kGoodbye = 4,
  // broker → worker
  kWelcome = 16,
  kLease = 17,
  kCommitted = 18,
  kRevoke = 19,
  kBeatReply = 20,
  kResend = 21,
};

// A job a worker holds; sent whole in Hello so that a broker that lost its memory can adopt it.
struct HeldJob {
  JobSpec spec;
  std::uint32_t attempt = 0;
  std::uint64_t fence = 0;
  bool started = false;
  bool finished = false;  // its result waits for the commit
  StreamState stream;

  auto tie() { return std::tie(spec, attempt, fence, started, finished, stream); }
};

struct Hello {
  std::string worker;  // fresh random id of the process
  std::string stage;
  std::string host;
  std::uint32_t pid = 0;
  std::uint32_t slots = 1;  // jobs it holds at once
  std::vector<HeldJob> held;
  std::string version;
  std::string detail;  // e.g. the model in use; shown in the fleet status

  auto tie() { return std::tie(worker, stage, host, pid, slots, held, version, detail); }
};

struct BeatJob {
  std::string job;
  std::uint64_t fence = 0;
  bool started = false;
  std::uint32_t units_done = 0;
  std::uint64_t activity = 0;  // grows whenever the job shows a sign of progress
  std::uint64_t next_seq = 0;  // of the stream it writes, so that a lost last event is noticed; 0 for none

  auto tie() { return std::tie(job, fence, started, units_done, activity, next_seq); }
};

struct Beat {
  std::string worker;
  std::uint64_t boot = 0;
  std::uint64_t number = 0;
  std::uint32_t slots = 1;
  std::vector<BeatJob> jobs;
  bool draining = false;

  auto tie() { return std::tie(worker, boot, number, slots, jobs, draining); }
};

struct JobResult {
  std::string worker;
  std::string job;
  std::uint32_t attempt = 0;
  std::uint64_t fence = 0;
  Outcome outcome;

  auto tie() { return std::tie(worker, job, attempt, fence, outcome); }
};

struct Goodbye {
  std::string worker;

  auto tie() { return std::tie(worker); }
};

struct Adopted {
  std::string job;
  std::uint64_t fence = 0;  // the new fence; 0: not yours any more, drop it

  auto tie() { return std::tie(job, fence); }
};

struct Welcome {
  std::uint64_t boot = 0;
  std::uint32_t beat_ms = 500;
  std::vector<Adopted> adopted;  // one for each held job of the hello

  auto tie() { return std::tie(boot, beat_ms, adopted); }
};

struct Lease {
  JobSpec spec;
  std::uint32_t attempt = 0;
  std::uint64_t fence = 0;        // boot << 32 | counter: never repeats, also the stream's epoch
  std::uint64_t owner_epoch = 0;  // routed stages: grows whenever the key moves to another worker
  StreamState stream;
  std::string attachment;  // completion jobs: GroupProgress or StreamState

  auto tie() { return std::tie(spec, attempt, fence, owner_epoch, stream, attachment); }
};

struct Committed {
  std::string job;
  std::uint64_t fence = 0;
  bool accepted = true;  // false: fenced, the result was refused

  auto tie() { return std::tie(job, fence, accepted); }
};

enum class RevokeReason : std::uint8_t { kCancelled = 0, kFenced = 1, kExpired = 2 };

struct Revoke {
  std::string job;
  std::uint64_t fence = 0;
  RevokeReason reason = RevokeReason::kCancelled;

  auto tie() { return std::tie(job, fence, reason); }
};

struct BeatReply {
  std::uint64_t boot = 0;
  bool known = true;  // false: say hello again
  std::vector<Revoke> revoked;

  auto tie() { return std::tie(boot, known, revoked); }
};

// The relay misses events of a stream: publish everything after this sequence number again.
struct Resend {
  std::string job;
  std::string stream;
  std::uint64_t after_seq = 0;

  auto tie() { return std::tie(job, stream, after_seq); }
};

}  // namespace answermill::messages
