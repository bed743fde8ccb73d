// Jobs, groups and streams as data: what submitters, the broker and workers say to each other about work.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "shared/base/error.h"

namespace answermill::messages {

enum class Priority : std::uint8_t { kInteractive = 0, kNormal = 1, kBulk = 2 };

// kStrict: acknowledged after the journal's commit. kRelaxed: taken in memory at once, journaled behind it.
enum class Durability : std::uint8_t { kStrict = 0, kRelaxed = 1 };

// One piece of work for one stage. Follow-ups inherit tenant, request, group, stream, priority, durability
// and deadline from the job they follow wherever they leave them at their defaults.
struct JobSpec {
  std::string id;     // empty in submissions and follow-ups: the broker names it
  std::string stage;  // "extract", "embed", "index", "generate", "record"
  std::string op;     // what the stage shall do; names the payload's struct
  std::string tenant;
  std::string request_id;
  std::string group;        // the group whose progress it counts towards; empty for none
  std::string stream;       // the stream it owns while it runs; empty for none
  std::string routing_key;  // jobs with one key run on one worker at a time; empty for any worker
  Priority priority = Priority::kInteractive;
  Durability durability = Durability::kStrict;
  std::uint32_t units = 0;       // what it adds to its stage's progress
  std::int64_t deadline_ms = 0;  // time left; 0 for none
  std::string payload;           // encode(<the op's struct>)

  auto tie() {
    return std::tie(id, stage, op, tenant, request_id, group, stream, routing_key, priority, durability,
                    units, deadline_ms, payload);
  }
};

// Fan-out/fan-in: closes when none of its jobs, or of the jobs those spawned, is open; then runs
// `completion`.
struct GroupSpec {
  std::string id;
  std::string topic;    // where its progress is published
  std::string subject;  // what it is about (a document id); published with its progress
  std::uint32_t generation = 0;
  JobSpec completion;  // its lease carries the encoded GroupProgress as `attachment`

  auto tie() { return std::tie(id, topic, subject, generation, completion); }
};

enum class StreamEventKind : std::uint8_t {
  kStatus = 0,    // data: encode(StatusEvent)
  kSources = 1,   // data: encode(SourcesEvent)
  kToken = 2,     // data: UTF-8 text at `offset`
  kCitation = 3,  // data: encode(CitationEvent)
  kRewind = 4,    // the text is cut back to `offset`
  kResult = 5,    // data: the answer of a question that is not text (encode(<op specific>))
  kTerminal = 6,  // data: encode(TerminalEvent); only the broker makes it
};

// A run of token events may be coalesced: sequence numbers first..last, text concatenated.
struct StreamEvent {
  std::uint64_t first_seq = 0;
  std::uint64_t last_seq = 0;
  StreamEventKind kind = StreamEventKind::kStatus;
  std::uint64_t offset = 0;  // bytes of canonical UTF-8 text before this event (kToken, kRewind)
  std::string data;

  auto tie() { return std::tie(first_seq, last_seq, kind, offset, data); }
  friend bool operator==(const StreamEvent&, const StreamEvent&) = default;
};

// The same, its data still where it came from.
struct StreamEventView {
  std::uint64_t first_seq = 0;
  std::uint64_t last_seq = 0;
  StreamEventKind kind = StreamEventKind::kStatus;
  std::uint64_t offset = 0;
  std::string_view data;

  auto tie() { return std::tie(first_seq, last_seq, kind, offset, data); }
};

inline StreamEventView view_of(const StreamEvent& event) {
  return {event.first_seq, event.last_seq, event.kind, event.offset, event.data};
}
inline StreamEvent copy_of(const StreamEventView& event) {
  return {event.first_seq, event.last_seq, event.kind, event.offset, std::string(event.data)};
}

// A stream as far as somebody has it: every event so far in order, token runs coalesced. next_seq starts
// at 1.
struct StreamState {
  std::string stream;
  std::uint64_t epoch = 0;  // the fence of the lease that writes it
  std::uint64_t next_seq = 1;
  std::string text;  // canonical text so far
  std::vector<StreamEvent> events;

  auto tie() { return std::tie(stream, epoch, next_seq, text, events); }
};

struct StreamSpec {
  std::string id;
  JobSpec completion;  // `record` job run at the terminal; its lease carries the StreamState as `attachment`

  auto tie() { return std::tie(id, completion); }
};

enum class Terminal : std::uint8_t { kDone = 0, kCancelled = 1, kFailed = 2, kExpired = 3 };

struct TerminalEvent {
  Terminal outcome = Terminal::kDone;
  std::uint64_t length = 0;  // bytes of the text
  std::string sha256;        // hex, of the text
  ErrorCode code = ErrorCode::kOk;
  std::string message;
  std::string meta;  // encode(AnswerMeta) when a generator finished it

  auto tie() { return std::tie(outcome, length, sha256, code, message, meta); }
};

struct StatusEvent {
  std::string stage;                 // the stage that now has the question, or for which it waits
  std::string message;               // for people; may be empty
  std::uint32_t queue_position = 0;  // while it waits: it is the n-th in line

  auto tie() { return std::tie(stage, message, queue_position); }
};

struct StageUnits {
  std::string stage;
  std::uint64_t done = 0;
  std::uint64_t total = 0;

  auto tie() { return std::tie(stage, done, total); }
};

struct Counter {
  std::string name;
  std::int64_t value = 0;

  auto tie() { return std::tie(name, value); }
};

struct JobFailure {
  std::string job;
  std::string stage;
  std::string op;
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
  std::uint32_t units = 0;
  std::string payload;  // of the failed job, so that a `record` job can name its pages

  auto tie() { return std::tie(job, stage, op, code, message, units, payload); }
};

enum class GroupState : std::uint8_t { kRunning = 0, kCompleting = 1, kDone = 2, kCancelled = 3 };

// The derived progress of a group: published on its topic whenever it changes, and given to its completion
// job.
struct GroupProgress {
  std::string group;
  std::string subject;
  std::uint32_t generation = 0;
  GroupState state = GroupState::kRunning;
  std::uint64_t revision = 0;  // grows with every change
  std::vector<StageUnits> stages;
  std::vector<Counter> counters;  // sums of what its jobs counted
  std::vector<JobFailure> failures;
  std::int64_t eta_ms = -1;  // -1 when unknown

  auto tie() {
    return std::tie(group, subject, generation, state, revision, stages, counters, failures, eta_ms);
  }
};

enum class OutcomeStatus : std::uint8_t {
  kDone = 0,
  kFailed = 1,    // retried with backoff when `retryable`, else set aside with its cause
  kReleased = 2,  // given back untouched (drain); not counted as an attempt
};

// What a worker says of a job it ran. Committed together with the follow-ups in one transaction.
struct Outcome {
  OutcomeStatus status = OutcomeStatus::kDone;
  ErrorCode code = ErrorCode::kOk;
  std::string message;
  bool retryable = false;
  bool crashed = false;  // the job's child process died: counts towards quarantine
  std::vector<JobSpec> followups;
  std::vector<StageUnits> totals;   // group totals that are known from now on (`done` is ignored)
  std::vector<Counter> counters;    // added to the group's counters
  std::vector<StreamEvent> events;  // events of the stream, from the lease's next_seq on, tokens included
  bool ends_stream = false;         // no follow-up owns the stream: the broker ends it as done
  std::string meta;                 // for TerminalEvent.meta
  std::vector<std::string> cancel_groups;

  auto tie() {
    return std::tie(status, code, message, retryable, crashed, followups, totals, counters, events,
                    ends_stream, meta, cancel_groups);
  }
};

}  // namespace answermill::messages
