#include "broker/core/core.h"
#include "shared/base/ids.h"
#include "shared/base/sha256.h"
#include "shared/log/log.h"
#include "shared/messages/codec.h"

namespace answermill::broker {

using namespace messages;

namespace {

std::string request_key(const JobSpec& job) { return job.tenant + "\n" + job.request_id; }

// What makes two submissions the same: everything but what was shown meanwhile and the time left.
std::string digest_of(const Submit& submit) {
  JobSpec job = submit.job;
  job.deadline_ms = 0;
  return sha256_hex(encode(job));
}

}  // namespace

void Core::on_submit_frame(std::string_view bytes, TimePoint now) {
  const auto frame = split_frame(bytes);
  if (frame && frame->kind == static_cast<std::uint8_t>(SubmitKind::kSubmit)) {
    if (const auto submit = decode<Submit>(frame->body)) {
      on_submit(*submit, now);
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
  ++malformed_;
  log::warn("event=malformed channel=jobs bytes={}", bytes.size());
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
  if (jobs_.size() >= config_.max_open_jobs ||
      (submit.stream && streams_.size() >= config_.max_open_streams)) {
    return Error{ErrorCode::kBusy, "the queue is full; try again in a moment"};
  }
  if (!output_.journal_healthy()) {
    return Error{ErrorCode::kDiskFull, "the journal's disk is full; free some space and try again"};
  }
  return std::nullopt;
}

bool Core::adopted_already(const Submit& submit) const {
  if (!submit.stream) return false;
  const auto stream = streams_.find(submit.stream->id);
  return stream != streams_.end() && !stream->second.has_spec;
}

void Core::on_submit(const Submit& submit, TimePoint now) {
  SubmitAck ack{submit.job.request_id, {}, boot_, ErrorCode::kOk, {}, 0};
  const std::string key = request_key(submit.job);
  if (const auto known = requests_.find(key); known != requests_.end()) {
    on_repeated_submit(submit, known->second, now);
    return;
  }
  if (adopted_already(submit)) {
    // A worker brought this question back before its frontend did, and the journal never saw it.
    StoredRequest request{streams_.at(submit.stream->id).owner, submit.stream->id, digest_of(submit)};
    Transition transition;
    transition.ops.push_back({JournalTable::kRequest, false, key, encode(request)});
    requests_[key] = request;
    commit(std::move(transition), now);
    on_repeated_submit(submit, request, now);
    return;
  }
  if (const auto error = refusal(submit)) {
    ack.code = error->code;
    ack.message = error->message;
    acknowledge(submit.reply_topic, ack);
    return;
  }
  Transition transition;
  transition.strict = submit.job.durability == Durability::kStrict;
  Job job;
  job.stored.spec = submit.job;
  job.stored.spec.id = ack.job = new_job_id();
  if (submit.job.deadline_ms > 0) job.deadline = now + std::chrono::milliseconds(submit.job.deadline_ms);
  if (submit.group) {
    const auto& spec = *submit.group;
    job.stored.spec.group = spec.id;
    groups_.try_emplace(spec.id, Group{GroupLedger(spec, now), {}, {}, TimePoint::max()});
    put_group(transition, groups_.at(spec.id));
    dirty_groups_.insert(spec.id);
  }
  if (submit.stream) {
    job.stored.spec.stream = submit.stream->id;
    Stream& stream = open_stream(*submit.stream, true, submit.job.tenant, transition);
    if (submit.shown) {
      stream.log.merge(*submit.shown);
      job.recovered = true;  // somebody may still run it: wait for the workers to tell
    }
  }
  StoredRequest request{ack.job, job.stored.spec.stream, digest_of(submit)};
  transition.ops.push_back({JournalTable::kRequest, false, key, encode(request)});
  requests_[key] = std::move(request);
  put_job(transition, job);
  ack.queue_position = static_cast<std::uint32_t>(stages_[job.stored.spec.stage].ready.size());
  add_job(std::move(job));
  transition.effects.emplace_back([this, ack, topic = submit.reply_topic](TimePoint at) {
    acknowledge(topic, ack);
    make_ready(ack.job, at);
  });
  commit(std::move(transition), now);
}

void Core::on_repeated_submit(const Submit& submit, const StoredRequest& known, TimePoint now) {
  SubmitAck ack{submit.job.request_id, known.job, boot_, ErrorCode::kOk, {}, 0};
  if (known.digest != digest_of(submit)) {
    ack.code = ErrorCode::kConflict;
    ack.message = "this request id was used for something else within the last 24 hours";
    acknowledge(submit.reply_topic, ack);
    return;
  }
  const auto job = jobs_.find(known.job);
  if (job != jobs_.end() && job->second.state == JobState::kUncommitted)
    return;  // its own commit will answer
  if (submit.stream) {
    const auto found = streams_.find(submit.stream->id);
    if (found != streams_.end()) {
      Stream& stream = found->second;
      if (submit.shown && !stream.log.finished()) stream.log.merge(*submit.shown);
      if (!stream.has_spec) {
        // Adopted from a worker before the frontend came back: now it is known how to record it.
        stream.spec = *submit.stream;
        stream.has_spec = true;
        Transition transition;
        transition.ops.push_back({JournalTable::kStream, false, submit.stream->id,
                                  encode(StoredStream{stream.spec, submit.job.tenant})});
        if (stream.log.finished()) add_record_job(transition, stream);
        commit(std::move(transition), now);
      }
    }
  }
  acknowledge(submit.reply_topic, ack);
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
