#include "broker/core/core.h"
#include "shared/base/ids.h"
#include "shared/base/sha256.h"
#include "shared/log/log.h"
#include "shared/messages/codec.h"

namespace answermill::broker {

using namespace messages;
using streams::StreamLog;

namespace {
constexpr std::chrono::milliseconds kResendEvery{50};
}  // namespace

Core::Stream& Core::open_stream(const StreamSpec& spec, bool has_spec, const std::string& tenant,
                                Transition& transition) {
  const auto [found, is_new] = streams_.try_emplace(spec.id, spec, tenant);
  if (is_new) {
    found->second.has_spec = has_spec;
    stream_index_.insert(found->second);
    tenants_.stream_opened(tenant);
    ++open_streams_;
    weigh(found->second);
    const std::string topic(topic_of_stream(spec.id));
    topics_beside(topic)[topic].insert(&found->second);
    if (has_spec) {
      transition.ops.push_back({JournalTable::kStream, false, spec.id, encode(StoredStream{spec, tenant})});
    }
  }
  return found->second;
}

// With the job in the journal, what its stream shows outlives even the whole fleet.
bool Core::remember_stream(Job& job) {
  const auto stream = streams_.find(job.stored.spec.stream);
  if (stream == streams_.end() || !job.stored.completes_stream.empty() || stream->second.quiet) return false;
  job.stored.stream = stream->second.log.state();
  return true;
}

// A worker brings back what it writes. If an earlier hop was adopted before it, that one's words are void.
void Core::adopt_stream(const Job& job, const HeldJob& held, TimePoint now) {
  const auto found = streams_.find(held.spec.stream);
  if (found == streams_.end()) return;
  Stream& stream = found->second;
  stream.owner = held.spec.id;
  StreamState state = held.stream;
  state.epoch = job.fence;
  const std::uint64_t before = stream.log.last_seq();
  if (stream.from_before && stream.log.epoch() > held.fence) {
    stream.log = StreamLog(state);
    stream.deferred.reset();
  } else {
    stream.log.merge(state);
  }
  stream.log.set_epoch(job.fence);
  if (stream.quiet) return;
  if (stream.from_before && !stream.claimed && now < hold_until_) {
    stream.quiet = true;
    stream.quiet_after = before;
  } else if (stream.log.last_seq() > before) {
    publish_events(stream, stream.log.read(before, SIZE_MAX));
  }
}

// The stream is its present writer's: what was held back is shown, and its result taken.
void Core::speak(Stream& stream, TimePoint now) {
  if (!std::exchange(stream.quiet, false)) return;
  if (stream.log.last_seq() > stream.quiet_after)
    publish_events(stream, stream.log.read(stream.quiet_after, SIZE_MAX));
  if (auto deferred = std::exchange(stream.deferred, std::nullopt))
    on_result(deferred->first, std::move(deferred->second), now);
}

// A stream that is older than this broker goes on at a number that nobody can have seen: numbers are
// boot << 20 | counter then, and no answer has a million events.
void Core::settle(Stream& stream, std::vector<StreamEvent>& events) {
  constexpr unsigned kEventsOfOneBoot = 20;
  if (!std::exchange(stream.from_before, false)) return;
  events.push_back(stream.log.append_skip(std::uint64_t{boot_} << kEventsOfOneBoot));
}

// A terminal event that waits for its commit is hidden: a crash could still undo it.
std::uint64_t Core::shown_next(const Stream& stream) {
  return stream.ending ? stream.log.last_seq() : stream.log.next_seq();
}

StreamState Core::shown_state(const Stream& stream) {
  StreamState state = stream.log.state();
  if (stream.ending) {
    state.events.pop_back();
    --state.next_seq;
  }
  return state;
}

void Core::publish_events(const Stream& stream, std::vector<StreamEvent> events) {
  if (events.empty()) return;
  output_.publish(topic_of_stream(stream.log.stream()),
                  encode_frame(EventKind::kStream,
                               StreamBatch{stream.log.stream(), stream.log.epoch(), std::move(events)}));
}

void Core::on_event_frame(std::string_view topic, std::string_view bytes, TimePoint now,
                          const bus::Peer& from) {
  const auto frame = split_frame(bytes);
  if (!frame || frame->kind != static_cast<std::uint8_t>(EventKind::kStream) ||
      !decode_view(frame->body, batch_)) {
    refuse_bytes(bytes, "events");
  } else if (Stream* stream = stream_index_.find(batch_.stream);
             stream != nullptr && batch_.stream.substr(0, kTopicWidth) == topic) {
    on_batch(*stream, topic, bytes, now, from);
  } else if (topic_of_stream(batch_.stream) != topic) {
    refuse_bytes(bytes, "events");
  }
}

// The way of every token: nothing is copied but its text, into the stream's log.
void Core::on_batch(Stream& stream, std::string_view topic, std::string_view frame, TimePoint now,
                    const bus::Peer& from) {
  if (batch_.epoch != stream.log.epoch())
    return;  // a writer that lost its lease, or has not heard of its new one
  if (!from.key.empty() && !is_writer(stream, from)) {
    output_.refused(bus::Refusal::kWrongRole, "events of a stream that another key's worker writes");
    return;
  }
  auto& events = batch_.events;
  std::size_t fresh = 0;
  for (const auto& event : events) {
    if (event.kind == StreamEventKind::kTerminal) break;  // only the broker ends a stream
    const auto applied = stream.log.apply_view(batch_.epoch, event);
    if (applied == StreamLog::Applied::kNew) events[fresh++] = event;
    if (applied != StreamLog::Applied::kGap) continue;
    ask_resend(stream, now);
    break;
  }
  if (stream.quiet) return;
  if (fresh == events.size()) {
    output_.publish_on(topic, frame);  // nothing to change
    return;
  }
  std::vector<StreamEvent> rest;
  for (std::size_t i = 0; i < fresh; ++i) rest.push_back(copy_of(events[i]));
  publish_events(stream, std::move(rest));
}

void Core::ask_resend(Stream& stream, TimePoint now) {
  if (now < stream.resend_at) return;
  const auto job = jobs_.find(stream.owner);
  if (job == jobs_.end() || job->second.state != JobState::kLeased) return;
  const auto worker = workers_.find(job->second.worker);
  if (worker == workers_.end()) return;
  stream.resend_at = now + kResendEvery;
  output_.send(worker->second.route, encode_frame(WorkKind::kResend, Resend{stream.owner, stream.log.stream(),
                                                                            stream.log.last_seq()}));
}

// The result has everything: what the lossy channel dropped is published now.
void Core::apply_events(Stream& stream, std::uint64_t epoch, const std::vector<StreamEvent>& events) {
  const std::uint64_t before = stream.log.last_seq();
  for (const auto& event : events) {
    if (event.kind == StreamEventKind::kTerminal) continue;
    const auto applied = stream.log.apply(epoch, event);
    if (applied == StreamLog::Applied::kGap || applied == StreamLog::Applied::kStale) {
      log::error("event=result_out_of_step stream={} at={} got={}", stream.log.stream(),
                 stream.log.next_seq(), event.first_seq);
      break;
    }
  }
  if (stream.log.last_seq() > before) publish_events(stream, stream.log.read(before, SIZE_MAX));
}

void Core::end_stream(Transition& transition, const std::string& id, TerminalEvent terminal, TimePoint now) {
  const auto found = streams_.find(id);
  if (found == streams_.end() || found->second.log.finished()) return;
  Stream& stream = found->second;
  const auto owner = jobs_.find(stream.owner);
  if (owner != jobs_.end()) {
    // Cancelled or expired with a job under way: its result will be refused.
    take_away(owner->second,
              terminal.outcome == Terminal::kExpired ? RevokeReason::kExpired : RevokeReason::kCancelled);
    erase_row(transition, JournalTable::kJob, owner->first);
    forget_job(std::string(owner->first));
  }
  stream.owner.clear();
  stream.deferred.reset();
  speak(stream, now);
  std::vector<StreamEvent> skip;
  settle(stream, skip);
  publish_events(stream, std::move(skip));
  terminal.length = stream.log.text().size();
  terminal.sha256 = sha256_hex(stream.log.text());
  stream.log.append(StreamEventKind::kTerminal, encode(terminal));
  stream.ending = true;
  close_stream(stream);
  const bool to_record = stream.has_spec && !stream.spec.completion.stage.empty();
  if (to_record) {
    transition.strict = true;
    add_record_job(transition, stream);
  } else {
    erase_row(transition, JournalTable::kStream, id);
    stream.evict_at = now + config_.keep_finished;
  }
  transition.effects.emplace_back([this, id](TimePoint at) {
    // Nobody knows yet how to record it: its end is told when its frontend has come back, or given up.
    const auto ended = streams_.find(id);
    if (ended == streams_.end() || !ended->second.has_spec) return;
    tell_end(ended->second);
    if (ended->second.evict_at != TimePoint::max()) let_go(ended->second, at);
  });
}

void Core::tell_end(Stream& stream) {
  if (std::exchange(stream.ending, false))
    publish_events(stream, stream.log.read(stream.log.last_seq() - 1, SIZE_MAX));
}

void Core::add_record_job(Transition& transition, Stream& stream) {
  Job record;
  record.stored.spec = stream.spec.completion;
  record.stored.spec.id = new_job_id();
  if (record.stored.spec.tenant.empty()) record.stored.spec.tenant = stream.tenant;
  record.stored.completes_stream = stream.spec.id;
  record.stored.attachment = encode(stream.log.state());
  put_job(transition, record);
  const std::string id = record.stored.spec.id;
  add_job(std::move(record));
  transition.strict = true;
  transition.effects.emplace_back([this, id](TimePoint at) { make_ready(id, at); });
}

void Core::publish_progress(Group& group, TimePoint now) {
  group.published = now;
  group.ledger.mark_published();
  GroupProgress shown = group.ledger.shown(now);
  output_.publish(group.ledger.spec().topic, encode_frame(EventKind::kProgress, shown));
}

void Core::on_subscription(std::string_view topic, TimePoint now) {
  constexpr std::size_t kNonceTopic = 1 + 2 * kTopicWidth;
  if (topic.size() != kNonceTopic || topic.substr(0, 1) != kNoncePrefix) return;
  Snapshot snapshot;
  snapshot.boot = boot_;
  snapshot.topic = std::string(topic.substr(1 + kTopicWidth));
  const Topics& beside = topics_beside(snapshot.topic);
  if (const auto members = beside.find(snapshot.topic); members != beside.end()) {
    for (const Stream* stream : members->second) {
      if (!stream->quiet) snapshot.streams.push_back(shown_state(*stream));
    }
  }
  for (auto& [id, group] : groups_) {
    if (group.ledger.spec().topic == snapshot.topic) snapshot.groups.push_back(group.ledger.shown(now));
  }
  output_.publish(topic, encode_frame(EventKind::kSnapshot, snapshot));
}

std::string Core::on_query_frame(std::string_view bytes, const bus::Peer& from) {
  const auto frame = split_frame(bytes);
  const auto asked = frame && frame->kind == static_cast<std::uint8_t>(QueryKind::kReplay)
                         ? decode<Replay>(frame->body)
                         : Result<Replay>(Error{ErrorCode::kMalformed, {}});
  if (!asked) {
    refuse_bytes(bytes, "query");
    return {};
  }
  if (!from.may(bus::Role::kFrontend) && !from.may(bus::Role::kOperator)) {
    output_.refused(bus::Refusal::kWrongRole, "a question about streams from a worker's key");
    return {};
  }
  Replayed replayed{asked->number, false, {}, boot_};
  if (const auto found = streams_.find(asked->stream); found != streams_.end() && !found->second.quiet) {
    const StreamLog& log = found->second.log;
    replayed.known = true;
    replayed.state = {asked->stream, log.epoch(), shown_next(found->second), {}, {}};
    if (asked->after_seq + 1 < replayed.state.next_seq) {
      replayed.state.events = log.read(asked->after_seq, SIZE_MAX);
      if (found->second.ending) replayed.state.events.pop_back();
    }
  }
  return encode_frame(QueryKind::kReplayed, replayed);
}

}  // namespace answermill::broker
