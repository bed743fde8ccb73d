#include <algorithm>
#include <random>

#include "broker/core/core.h"
#include "shared/log/log.h"
#include "shared/messages/codec.h"

namespace answermill::broker {

using namespace messages;

void Core::job_done(Job& job, Outcome outcome, Worker& worker, TimePoint now) {
  Transition transition;
  const std::string id = job.stored.spec.id;
  const std::string stream_id = job.stored.spec.stream;
  const std::string group_id = job.stored.spec.group;
  const std::uint64_t fence = job.fence;
  const bool records_stream = !job.stored.completes_stream.empty();
  transition.strict = job.stored.spec.durability == Durability::kStrict;

  const auto stream = records_stream ? streams_.end() : streams_.find(stream_id);
  if (stream != streams_.end()) apply_events(stream->second, fence, outcome.events);
  if (const auto group = groups_.find(group_id);
      group != groups_.end() && job.stored.completes_group.empty()) {
    group->second.ledger.job_done(job.stored.spec, outcome);
    put_group(transition, group->second);
  }
  auto ready = add_followups(transition, job, outcome, now);
  job_completed_something(transition, job, now);
  ++stage(job.stored.spec.stage).status.done;
  erase_row(transition, JournalTable::kJob, id);
  forget_job(id);
  if (stream != streams_.end() && stream->second.owner == id) {
    end_stream(transition, stream_id, {Terminal::kDone, 0, {}, ErrorCode::kOk, {}, outcome.meta}, now);
  }
  for (const auto& group : outcome.cancel_groups) cancel_group(transition, group, now);
  close_group_if_complete(transition, group_id);

  taken_[id] = {fence, ticket_ + 1};
  taken_order_.emplace_back(now, id);
  transition.effects.emplace_back(
      [this, name = worker.name, id, fence, ready = std::move(ready)](TimePoint at) {
        if (const auto found = workers_.find(name); found != workers_.end()) {
          output_.send(found->second.route, encode_frame(WorkKind::kCommitted, Committed{id, fence, true}));
        }
        if (const auto taken = taken_.find(id); taken != taken_.end()) taken->second.ticket = 0;
        for (const auto& next : ready) make_ready(next, at);
      });
  commit(std::move(transition), now);
}

// Whatever a follow-up leaves open it has from the job it follows.
std::vector<std::string> Core::add_followups(Transition& transition, const Job& job, const Outcome& outcome,
                                             TimePoint now) {
  std::vector<std::string> ids;
  const JobSpec& parent = job.stored.spec;
  const auto group = groups_.find(parent.group);
  const bool refused = group != groups_.end() && group->second.ledger.state() == GroupState::kCancelled;
  if (refused) return ids;
  for (const auto& followup : outcome.followups) {
    Job next;
    JobSpec& spec = next.stored.spec;
    spec = followup;
    spec.id = new_job_id();
    spec.tenant = parent.tenant;
    spec.request_id = parent.request_id;
    if (spec.group.empty()) spec.group = parent.group;
    if (spec.stream.empty() && !outcome.ends_stream) spec.stream = parent.stream;
    spec.priority = parent.priority;
    spec.durability = parent.durability;
    next.deadline = job.deadline;
    if (next.deadline != TimePoint::max()) {
      spec.deadline_ms = std::max<std::int64_t>(
          1, std::chrono::duration_cast<std::chrono::milliseconds>(next.deadline - now).count());
    }
    remember_stream(next);
    put_job(transition, next);
    ids.push_back(spec.id);
    add_job(std::move(next));
  }
  return ids;
}

// A completion job is through: what it completed is over.
void Core::job_completed_something(Transition& transition, const Job& job, TimePoint now) {
  if (const auto& id = job.stored.completes_group; !id.empty()) {
    erase_row(transition, JournalTable::kGroup, id);
    if (groups_.count(id) != 0) {
      transition.effects.emplace_back([this, id](TimePoint at) {
        const auto group = groups_.find(id);
        if (group == groups_.end()) return;
        group->second.ledger.set_state(GroupState::kDone);
        group->second.ledger.show(group->second.ledger.committed());
        group->second.evict_at = at + config_.keep_finished;
        publish_progress(group->second, at);
      });
    }
  }
  if (const auto& id = job.stored.completes_stream; !id.empty()) {
    erase_row(transition, JournalTable::kStream, id);
    if (const auto stream = streams_.find(id); stream != streams_.end()) {
      stream->second.recorded = true;
      let_go(stream->second, now);
    }
  }
}

void Core::job_failed(Job& job, const Outcome& outcome, Worker& worker, TimePoint now) {
  const JobSpec spec = job.stored.spec;
  const bool completes = !job.stored.completes_group.empty() || !job.stored.completes_stream.empty();
  if (const auto stream = streams_.find(spec.stream); stream != streams_.end() && !completes) {
    apply_events(stream->second, job.fence, outcome.events);
  }
  count_failure(job, outcome);
  ++stage(spec.stage).status.failed;
  // Frees the worker's hold at once: a lost worker does not read it any more.
  output_.send(worker.route, encode_frame(WorkKind::kCommitted, Committed{spec.id, job.fence, true}));
  const bool hopeless = !outcome.retryable || job.stored.crashes >= config_.max_crashes ||
                        job.stored.failures >= config_.max_failures;
  log::info("event=job_failed job={} stage={} op={} code={} crashes={} failures={} message=\"{}\"", spec.id,
            spec.stage, spec.op, to_string(outcome.code), job.stored.crashes, job.stored.failures,
            outcome.message);
  // A completion job carries what must be recorded: it is tried until it goes through.
  if (hopeless && !completes) {
    Transition transition;
    transition.strict = spec.durability == Durability::kStrict;
    const bool quarantined = job.stored.crashes >= config_.max_crashes;
    if (quarantined) ++stage(spec.stage).status.quarantined;
    const auto message = quarantined ? "set aside after " + std::to_string(job.stored.crashes) +
                                           " crashes: " + job.stored.cause
                                     : outcome.message;
    set_aside(transition, job, outcome.code, message, now);
    commit(std::move(transition), now);
    return;
  }
  Transition transition;
  remember_stream(job);
  put_job(transition, job);
  retry(job, now, std::max(job.stored.crashes, job.stored.failures));
  commit(std::move(transition), now);
}

void Core::retry(Job& job, TimePoint now, std::uint32_t nth) {
  job.state = JobState::kWaiting;
  end_flight(job);
  waiting_.emplace(now + full_jitter(nth), job.stored.spec.id);
}

// "Full jitter": uniform between nothing and the exponential bound.
// Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
std::chrono::milliseconds Core::full_jitter(std::uint32_t nth) {
  const auto bound = std::min<std::int64_t>(config_.retry_most.count(),
                                            config_.retry_base.count() << std::min<std::uint32_t>(nth, 16));
  return std::chrono::milliseconds(std::uniform_int_distribution<std::int64_t>(0, bound)(random_));
}

// A crash that says nothing (its whole worker is gone) must not hide what an earlier one said.
void Core::count_failure(Job& job, const Outcome& outcome) {
  if (outcome.crashed) {
    ++job.stored.crashes;
    if (!outcome.message.empty()) job.stored.cause = outcome.message;
    if (job.stored.cause.empty())
      job.stored.cause = "the " + job.stored.spec.stage + " worker that had it died";
  } else if (outcome.code != ErrorCode::kFenced) {
    ++job.stored.failures;
  }
}

// The job is over without success: its group goes on without it, its stream ends.
void Core::set_aside(Transition& transition, Job& job, ErrorCode code, const std::string& message,
                     TimePoint now) {
  const JobSpec spec = job.stored.spec;
  if (const auto group = groups_.find(spec.group);
      group != groups_.end() && job.stored.completes_group.empty()) {
    group->second.ledger.job_failed(spec, spec.id, code, message);
    put_group(transition, group->second);
  }
  erase_row(transition, JournalTable::kJob, spec.id);
  const auto stream = streams_.find(spec.stream);
  const bool owned = stream != streams_.end() && stream->second.owner == spec.id;
  forget_job(spec.id);
  if (owned) end_stream(transition, spec.stream, {Terminal::kFailed, 0, {}, code, message, {}}, now);
  close_group_if_complete(transition, spec.group);
}

void Core::close_group_if_complete(Transition& transition, const std::string& id) {
  const auto found = groups_.find(id);
  if (found == groups_.end() || !found->second.ledger.is_complete()) return;
  Group& group = found->second;
  group.ledger.set_state(GroupState::kCompleting);
  dirty_groups_.insert(id);
  put_group(transition, group);
  if (group.ledger.spec().completion.stage.empty()) return;
  Job completion;
  completion.stored.spec = group.ledger.spec().completion;
  completion.stored.spec.id = new_job_id();
  completion.stored.spec.group = id;
  completion.stored.completes_group = id;
  completion.stored.attachment = encode(group.ledger.final_progress());
  put_job(transition, completion);
  const std::string job = completion.stored.spec.id;
  add_job(std::move(completion));
  transition.strict = true;
  transition.effects.emplace_back([this, job](TimePoint at) { make_ready(job, at); });
}

void Core::cancel_group(Transition& transition, const std::string& id, TimePoint now) {
  const auto found = groups_.find(id);
  if (found == groups_.end() || found->second.ledger.state() != GroupState::kRunning) return;
  Group& group = found->second;
  group.ledger.set_state(GroupState::kCancelled);
  group.evict_at = now + config_.keep_finished;
  dirty_groups_.insert(id);
  const auto members = group.jobs;
  for (const auto& member : members) {
    const auto entry = jobs_.find(member);
    if (entry == jobs_.end()) continue;
    take_away(entry->second, RevokeReason::kCancelled);
    erase_row(transition, JournalTable::kJob, member);
    forget_job(member);
  }
  erase_row(transition, JournalTable::kGroup, id);
  transition.effects.emplace_back([this, id](TimePoint) {
    const auto cancelled = groups_.find(id);
    if (cancelled == groups_.end()) return;
    cancelled->second.ledger.show(cancelled->second.ledger.committed());
    dirty_groups_.insert(id);
  });
}

}  // namespace answermill::broker
