#include <fmt/format.h>

#include "broker/core/core.h"
#include "shared/base/ids.h"
#include "shared/base/sha256.h"
#include "shared/log/log.h"
#include "shared/messages/codec.h"

namespace answermill::broker {

using namespace messages;
using streams::StreamLog;

namespace {

std::string request_key(const JobSpec& job) { return job.tenant + "\n" + job.request_id; }

// What makes two submissions the same: everything but what was shown meanwhile and the time left.
Sha256Digest digest_of(JobSpec& job) {
  const auto deadline_ms = std::exchange(job.deadline_ms, 0);
  const Sha256Digest digest = sha256(encode(job));
  job.deadline_ms = deadline_ms;
  return digest;
}

}  // namespace

void Core::on_submit_frame(std::string_view bytes, TimePoint now) {
  const auto frame = split_frame(bytes);
  if (frame && frame->kind == static_cast<std::uint8_t>(SubmitKind::kSubmit)) {
    if (auto submit = decode<Submit>(frame->body)) {
      on_submit(std::move(*submit), now);
      dispatch(now);
      return;
    }
  } else if (frame && frame->kind == static_cast<std::uint8_t>(SubmitKind::kCancel)) {
    if (const auto cancel = decode<Cancel>(frame->body)) {
      on_cancel(*cancel, now);
      dispatch(now);
      return;
    }
  }
  refuse_bytes(bytes, "jobs");
}

void Core::acknowledge(const std::string& topic, const SubmitAck& ack) {
  if (topic.size() == kTopicWidth) output_.publish(topic, encode_frame(EventKind::kAck, ack));
}

std::optional<Error> Core::refusal(const Submit& submit) const {
  const JobSpec& job = submit.job;
  if (job.stage.empty() || job.tenant.empty() || job.request_id.empty()) {
    return Error{ErrorCode::kInvalidArgument, "a submission needs a stage, a tenant and a request id"};
  }
  if (submit.stream && topic_of_stream(submit.stream->id).empty()) {
    return Error{ErrorCode::kInvalidArgument, "a stream id is not well formed"};
  }
  if (submit.group && submit.group->topic.size() != kTopicWidth) {
    return Error{ErrorCode::kInvalidArgument, "a group's topic is not well formed"};
  }
  if (const auto group = groups_.find(submit.group ? submit.group->id : job.group);
      group != groups_.end() && group->second.ledger.state() != GroupState::kRunning) {
    return Error{ErrorCode::kConflict, "this group of jobs has ended; begin a new one"};
  }
  if (auto busy = too_much(submit)) return busy;
  if (!output_.journal_healthy()) {
    return Error{ErrorCode::kDiskFull, "the journal's disk is full; free some space there"};
  }
  return std::nullopt;
}

// Bounds on what is open. Only submissions are refused: what was taken is finished, follow-ups and all.
std::optional<Error> Core::too_much(const Submit& submit) const {
  const std::string& tenant = submit.job.tenant;
  if (jobs_.size() >= config_.max_open_jobs || pending_.size() >= config_.max_uncommitted ||
      (submit.stream && open_streams_ >= config_.max_open_streams)) {
    return Error{ErrorCode::kBusy, "the queue is full"};
  }
  if (submit.stream && stream_budget_.exceeded() && stream_budget_.next_to_leave() == nullptr) {
    return Error{ErrorCode::kBusy, "the answers under way take all the memory there is"};
  }
  if (!tenants_.may_open_job(tenant)) {
    return Error{ErrorCode::kBusy, "too much of yours is waiting already"};
  }
  if (submit.stream && !tenants_.may_open_stream(tenant)) {
    return Error{ErrorCode::kBusy, "too many of your questions are open"};
  }
  return std::nullopt;
}

// Each bound has room again as fast as what it counts leaves; asked in the order of too_much().
std::chrono::milliseconds Core::retry_after(const Submit& submit, TimePoint now) {
  const std::string& tenant = submit.job.tenant;
  if (jobs_.size() >= config_.max_open_jobs) return jobs_drain_.refuse(jobs_closed_, now);
  if (pending_.size() >= config_.max_uncommitted) return journal_drain_.refuse(durable_, now);
  if (submit.stream && (open_streams_ >= config_.max_open_streams || stream_budget_.exceeded()))
    return streams_drain_.refuse(streams_closed_, now);
  if (!tenants_.may_open_job(tenant)) return tenants_.refuse_job(tenant, now);
  if (submit.stream && !tenants_.may_open_stream(tenant)) return tenants_.refuse_stream(tenant, now);
  return config_.full_disk_retry;
}

bool Core::adopted_already(const Submit& submit) const {
  if (!submit.stream) return false;
  const auto stream = streams_.find(submit.stream->id);
  return stream != streams_.end() && !stream->second.has_spec;
}

void Core::on_submit(Submit submit, TimePoint now) {
  SubmitAck ack{submit.job.request_id, {}, boot_, ErrorCode::kOk, {}, 0};
  const std::string key = request_key(submit.job);
  const Sha256Digest digest = digest_of(submit.job);
  if (const auto known = requests_.find(key); known != requests_.end()) {
    on_repeated_submit(submit, digest, known->second, now);
    return;
  }
  if (adopted_already(submit)) {
    // A worker brought this question back before its frontend did, and the journal never saw it.
    const std::string& owner = streams_.at(submit.stream->id).owner;
    Transition transition;
    transition.ops.push_back({JournalTable::kRequest, false, key,
                              encode(StoredRequest{owner, submit.stream->id, to_hex(digest)})});
    const KnownRequest& known = remember_request(key, {owner, digest, ticket_ + 1}, now);
    commit(std::move(transition), now);
    on_repeated_submit(submit, digest, known, now);
    return;
  }
  if (const auto error = refusal(submit)) {
    ack.code = error->code;
    ack.message = error->message;
    if (error->code == ErrorCode::kBusy || error->code == ErrorCode::kDiskFull) {
      const auto wait = retry_after(submit, now);
      ack.retry_after_ms = static_cast<std::uint32_t>(wait.count());
      ack.message +=
          fmt::format("; try again in {} s", std::chrono::ceil<std::chrono::seconds>(wait).count());
    }
    acknowledge(submit.reply_topic, ack);
    return;
  }
  Transition transition;
  transition.strict = submit.job.durability == Durability::kStrict;
  Job job;
  JobSpec& spec = job.stored.spec = std::move(submit.job);
  spec.id = ack.job = new_job_id();
  if (spec.deadline_ms > 0) job.deadline = now + std::chrono::milliseconds(spec.deadline_ms);
  if (submit.group) {
    const auto& group = *submit.group;
    spec.group = group.id;
    groups_.try_emplace(group.id, Group{GroupLedger(group, now), {}, {}, TimePoint::max()});
    put_group(transition, groups_.at(group.id));
    dirty_groups_.insert(group.id);
  }
  if (submit.stream) {
    spec.stream = submit.stream->id;
    Stream& stream = open_stream(*submit.stream, true, spec.tenant, transition);
    if (submit.shown) {
      stream.log.merge(*submit.shown);
      stream.from_before = stream.claimed = true;
      job.recovered = true;  // somebody may still run it: wait for the workers to tell
    }
  }
  transition.ops.push_back(
      {JournalTable::kRequest, false, key, encode(StoredRequest{ack.job, spec.stream, to_hex(digest)})});
  remember_request(key, {ack.job, digest, ticket_ + 1}, now);
  put_job(transition, job);
  ack.queue_position = static_cast<std::uint32_t>(stage(spec.stage).ready.ahead(spec.priority));
  add_job(std::move(job));
  transition.effects.emplace_back(
      [this, ack = std::move(ack), topic = std::move(submit.reply_topic)](TimePoint at) {
        acknowledge(topic, ack);
        make_ready(ack.job, at);
      });
  commit(std::move(transition), now);
}

void Core::on_repeated_submit(const Submit& submit, const Sha256Digest& digest, const KnownRequest& known,
                              TimePoint now) {
  SubmitAck ack{submit.job.request_id, known.job, boot_, ErrorCode::kOk, {}, 0};
  if (known.digest != digest) {
    ack.code = ErrorCode::kConflict;
    ack.message = "this request id was used for something else within the last 24 hours";
    acknowledge(submit.reply_topic, ack);
    return;
  }
  if (submit.job.durability == Durability::kStrict && known.ticket > durable_)
    return;  // its own commit will answer
  if (submit.stream) {
    if (const auto found = streams_.find(submit.stream->id); found != streams_.end()) {
      claim(found->second, submit);
      if (submit.shown) take_shown(found->second, *submit.shown, now);
    }
  }
  acknowledge(submit.reply_topic, ack);
}

// Adopted from a worker before the frontend came back: now it is known how to record it.
void Core::claim(Stream& stream, const Submit& submit) {
  if (stream.has_spec) return;
  stream.spec = *submit.stream;
  stream.has_spec = true;
  Transition transition;
  transition.ops.push_back({JournalTable::kStream, false, submit.stream->id,
                            encode(StoredStream{stream.spec, submit.job.tenant})});
  if (stream.log.finished()) {
    stream.evict_at = TimePoint::max();
    stream_budget_.set(stream.spec.id, streams::StreamBudget::Leaves::kNever, started_);
    add_record_job(transition, stream);
    transition.effects.emplace_back([this, id = stream.spec.id](TimePoint) {
      if (const auto ended = streams_.find(id); ended != streams_.end()) tell_end(ended->second);
    });
  }
  commit(std::move(transition), started_);
}

const KnownRequest& Core::remember_request(std::string key, KnownRequest request, TimePoint now) {
  const auto [known, is_new] = requests_.insert_or_assign(std::move(key), std::move(request));
  if (is_new) requests_order_.emplace_back(now, &known->first);
  return known->second;
}

// What a frontend has shown of a stream that this broker lost: the longest prefix wins, but never over what
// has been written since.
void Core::take_shown(Stream& stream, const StreamState& shown, TimePoint now) {
  if (!stream.from_before || stream.log.finished()) return;
  stream.claimed = true;
  const auto owner = jobs_.find(stream.owner);
  const bool leased = owner != jobs_.end() && owner->second.state == JobState::kLeased;
  if (!leased && (stream.log.epoch() >> 32U) < boot_) stream.log.merge(shown);
  const bool newer = leased && owner->second.adopted_from != 0 && (shown.epoch >> 32U) < boot_ &&
                     shown.epoch > owner->second.adopted_from;
  if (!newer) {
    speak(stream, now);
    return;
  }
  // A stopped worker brought an old lease back; somebody else had written on, and people have read it.
  Job& job = owner->second;
  take_away(job, RevokeReason::kFenced);
  stream.log = StreamLog(shown);
  stream.quiet = false;
  stream.log.set_epoch(new_fence());  // whoever still writes is not heard any more
  stream.deferred.reset();
  job.recovered = true;
  job.adopted_from = 0;
  job.state = JobState::kUncommitted;
  make_ready(job.stored.spec.id, now, true);
}

void Core::on_cancel(const Cancel& cancel, TimePoint now) {
  Transition transition;
  transition.strict = true;
  if (!cancel.stream.empty()) {
    const auto found = streams_.find(cancel.stream);
    if (found == streams_.end() || found->second.log.finished()) return;
    end_stream(transition, cancel.stream,
               {Terminal::kCancelled, 0, {}, ErrorCode::kCancelled, "stopped by the user", {}}, now);
  }
  if (!cancel.group.empty()) cancel_group(transition, cancel.group, now);
  commit(std::move(transition), now);
}

}  // namespace answermill::broker
