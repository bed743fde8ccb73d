#include "shared/bus/job_consumer.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <mutex>
#include <utility>
#include <vector>

#include "shared/base/ids.h"
#include "shared/messages/codec.h"
#include "shared/messages/events.h"
#include "shared/streams/stream_log.h"
#include "shared/text/utf8.h"

namespace answermill::bus {

using namespace messages;
using streams::StreamLog;

namespace {

constexpr std::chrono::seconds kGreetAgain{1};

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

// Bytes at the end of `text` that are the beginning of a code point.
std::size_t incomplete_tail(std::string_view text) {
  for (std::size_t back = 1; back <= 3 && back <= text.size(); ++back) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if ((byte & 0xC0U) == 0x80U) continue;
    const std::size_t length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1;
    return length > back ? back : 0;
  }
  return 0;
}

// What an outcome has on the wire, at most.
std::size_t most_encoded(const Outcome& outcome) {
  constexpr std::size_t kFields = 1024;  // a job's or event's numbers and names
  std::size_t bytes = kFields * (1 + outcome.totals.size() + outcome.counters.size());
  bytes += outcome.message.size() + outcome.meta.size();
  for (const auto& followup : outcome.followups) bytes += kFields + followup.payload.size();
  for (const auto& event : outcome.events) bytes += kFields / 16 + event.data.size();
  return bytes;
}

// A frame beyond the limit is not refused but cuts the connection, again and again. A follow-up must also
// fit into the lease it will travel in, which adds what its stream shows.
Outcome fit_to_send(Outcome outcome) {
  constexpr std::size_t kMostResult = kMaxMessageBytes - (64U << 10U);
  constexpr std::size_t kMostFollowup = kMaxMessageBytes / 2;
  std::size_t bytes = most_encoded(outcome);
  bool fits = bytes <= kMostResult;
  for (const auto& followup : outcome.followups) {
    if (followup.payload.size() <= kMostFollowup) continue;
    fits = false;
    bytes = followup.payload.size();
  }
  if (fits) return outcome;
  Outcome failed;
  failed.status = OutcomeStatus::kFailed;
  failed.code = ErrorCode::kTooLarge;
  failed.message = "what came of the job is too large to be sent: " + std::to_string(bytes) + " bytes";
  return failed;
}

}  // namespace

// What the stage emits waits here until the loop takes it: one wake-up for a burst, and a burst of tokens
// becomes one event, so a fast model never floods the bus.
class JobConsumer::Handle : public JobHandle, public std::enable_shared_from_this<Handle> {
 public:
  Handle(JobConsumer& consumer, const Lease& lease)
      : spec(lease.spec),
        attempt(lease.attempt),
        fence(lease.fence),
        log(lease.stream.stream.empty() ? StreamState{lease.spec.stream, 0, 1, {}, {}} : lease.stream),
        lease_seq(log.next_seq()),
        consumer_(consumer),
        alive_(consumer.alive_),
        length_(log.text().size()) {
    log.set_epoch(fence);
  }

  void emit_token(std::string_view text) override {
    const std::lock_guard lock(mutex_);
    std::string whole = std::exchange(partial_, {}) + std::string(text);
    const std::size_t tail = incomplete_tail(whole);
    partial_.assign(whole, whole.size() - tail, tail);
    whole.resize(whole.size() - tail);
    if (whole.empty()) return;
    if (!text::is_valid_utf8(whole)) whole = text::repair_utf8(whole);
    length_ += whole.size();
    if (!waiting_.empty() && waiting_.back().kind == StreamEventKind::kToken) {
      waiting_.back().data += whole;
    } else {
      waiting_.push_back({0, 0, StreamEventKind::kToken, 0, std::move(whole)});
    }
    wake();
  }

  void emit(StreamEventKind kind, std::string data) override {
    const std::lock_guard lock(mutex_);
    waiting_.push_back({0, 0, kind, 0, std::move(data)});
    wake();
  }

  void rewind(std::uint64_t offset) override {
    const std::lock_guard lock(mutex_);
    partial_.clear();
    length_ = std::min(length_, offset);
    waiting_.push_back({0, 0, StreamEventKind::kRewind, offset, {}});
    wake();
  }

  std::uint64_t text_length() const override {
    const std::lock_guard lock(mutex_);
    return length_;
  }

  void progress(std::uint32_t units_done) override {
    units.store(units_done, std::memory_order_relaxed);
    activity.fetch_add(1, std::memory_order_relaxed);
  }

  bool cancelled() const override { return revoked.load(std::memory_order_relaxed); }

  void finish(Outcome outcome) override {
    if (finish_called_.exchange(true)) return;
    consumer_.mailbox_.post(
        [this, self = shared_from_this(), alive = alive_, outcome = std::move(outcome)]() mutable {
          if (*alive) consumer_.finish(self, std::move(outcome));
        });
  }

  std::vector<StreamEvent> take_waiting() {
    const std::lock_guard lock(mutex_);
    scheduled_ = false;
    return std::exchange(waiting_, {});
  }

  JobSpec spec;
  std::uint32_t attempt;
  std::uint64_t fence;
  StreamLog log;
  std::uint64_t lease_seq;
  bool finished = false;
  Outcome outcome;
  std::atomic<std::uint32_t> units = 0;
  std::atomic<std::uint64_t> activity = 0;
  std::atomic<bool> revoked = false;

 private:
  void wake() {
    activity.fetch_add(1, std::memory_order_relaxed);
    if (std::exchange(scheduled_, true)) return;
    consumer_.mailbox_.post([this, self = shared_from_this(), alive = alive_] {
      if (*alive) consumer_.flush(self);
    });
  }

  JobConsumer& consumer_;
  std::shared_ptr<bool> alive_;
  std::atomic<bool> finish_called_ = false;
  mutable std::mutex mutex_;
  std::vector<StreamEvent> waiting_;  // guarded by mutex_
  std::string partial_;               // guarded by mutex_
  std::uint64_t length_;              // guarded by mutex_
  bool scheduled_ = false;            // guarded by mutex_
};

JobConsumer::JobConsumer(ConsumerConfig config, ConsumerOutput& output, Mailbox& mailbox, Start start,
                         CancelJob cancel)
    : config_(std::move(config)),
      output_(output),
      mailbox_(mailbox),
      start_(std::move(start)),
      cancel_(std::move(cancel)),
      worker_(random_id()),
      host_(host_name()),
      alive_(std::make_shared<bool>(true)) {}

JobConsumer::~JobConsumer() { *alive_ = false; }

void JobConsumer::on_relay_subscribed(Clock::time_point now) {
  if (state_ == State::kSilent) say_hello(now);
}

void JobConsumer::say_hello(Clock::time_point now) {
  state_ = State::kGreeting;
  greeted_ = now;
  Hello hello{
      worker_, config_.stage,      host_,         static_cast<std::uint32_t>(::getpid()), config_.slots,
      {},      ANSWERMILL_VERSION, config_.detail};
  for (const auto& [id, job] : held_) {
    HeldJob held{job->spec, job->attempt, job->fence, job->activity > 0, job->finished, {}};
    // The journal has every strict job; without their payloads a hello stays small, however much is held.
    if (held.spec.durability == Durability::kStrict) held.spec.payload.clear();
    if (!job->spec.stream.empty()) held.stream = job->log.state();
    hello.held.push_back(std::move(held));
  }
  output_.send_work(encode_frame(WorkKind::kHello, hello));
}

void JobConsumer::on_work_frame(std::string_view bytes, Clock::time_point now) {
  const auto frame = split_frame(bytes);
  if (!frame) return;
  switch (static_cast<WorkKind>(frame->kind)) {
    case WorkKind::kWelcome:
      if (const auto welcome = decode<Welcome>(frame->body)) on_welcome(*welcome, now);
      break;
    case WorkKind::kLease:
      if (auto lease = decode<Lease>(frame->body)) on_lease(std::move(*lease), now);
      break;
    case WorkKind::kCommitted:
      if (const auto committed = decode<Committed>(frame->body)) on_committed(*committed);
      break;
    case WorkKind::kRevoke:
      if (const auto revoke = decode<Revoke>(frame->body)) on_revoked(*revoke);
      break;
    case WorkKind::kBeatReply:
      if (const auto reply = decode<BeatReply>(frame->body)) on_beat_reply(*reply, now);
      break;
    case WorkKind::kResend:
      if (const auto resend = decode<Resend>(frame->body)) on_resend(*resend);
      break;
    case WorkKind::kHello:
    case WorkKind::kBeat:
    case WorkKind::kResult:
    case WorkKind::kGoodbye:
      break;  // ours to say
  }
}

void JobConsumer::on_welcome(const Welcome& welcome, Clock::time_point now) {
  state_ = State::kWelcomed;
  boot_ = welcome.boot;
  if (welcome.beat_ms > 0) beat_every_ = std::chrono::milliseconds(welcome.beat_ms);
  next_beat_ = now;
  for (const auto& adopted : welcome.adopted) {
    const auto found = held_.find(adopted.job);
    if (found == held_.end()) continue;
    if (adopted.fence == 0) {
      drop(adopted.job);
      continue;
    }
    Handle& job = *found->second;
    job.fence = adopted.fence;
    job.log.set_epoch(adopted.fence);
    if (job.finished) send_result(job);
  }
}

void JobConsumer::on_lease(Lease lease, Clock::time_point now) {
  drop(lease.spec.id);  // an older lease of the same job is void
  const auto handle = std::make_shared<Handle>(*this, lease);
  held_[lease.spec.id] = handle;
  if (draining_) {
    release(*handle);
    return;
  }
  Job job;
  job.attempt = lease.attempt;
  job.fence = lease.fence;
  job.owner_epoch = lease.owner_epoch;
  job.deadline = lease.spec.deadline_ms > 0 ? now + std::chrono::milliseconds(lease.spec.deadline_ms)
                                            : Clock::time_point::max();
  job.spec = std::move(lease.spec);
  job.stream = std::move(lease.stream);
  job.attachment = std::move(lease.attachment);
  start_(std::move(job), handle);
}

void JobConsumer::on_committed(const Committed& committed) {
  const auto found = held_.find(committed.job);
  if (found != held_.end() && found->second->fence == committed.fence) {
    if (found->second->finished) {
      held_.erase(found);
    } else {
      drop(committed.job);  // refused while it ran: somebody else has it
    }
  }
}

void JobConsumer::on_revoked(const Revoke& revoke) {
  const auto found = held_.find(revoke.job);
  if (found != held_.end() && found->second->fence == revoke.fence) drop(revoke.job);
}

void JobConsumer::drop(const std::string& job) {
  const auto found = held_.find(job);
  if (found == held_.end()) return;
  const auto handle = found->second;
  held_.erase(found);
  handle->revoked = true;
  if (!handle->finished && cancel_) cancel_(job);
}

void JobConsumer::on_beat_reply(const BeatReply& reply, Clock::time_point now) {
  for (const auto& revoked : reply.revoked) on_revoked(revoked);
  const bool stranger = !reply.known || (state_ == State::kWelcomed && reply.boot != boot_);
  if (stranger && (state_ == State::kWelcomed || now - greeted_ > kGreetAgain)) say_hello(now);
}

void JobConsumer::on_resend(const Resend& resend) {
  const auto found = held_.find(resend.job);
  if (found == held_.end() || resend.after_seq >= found->second->log.next_seq()) return;
  publish(*found->second, found->second->log.read(resend.after_seq, kMaxMessageBytes / 2));
}

void JobConsumer::on_tick(Clock::time_point now) {
  if (state_ == State::kGreeting && now - greeted_ > kGreetAgain) say_hello(now);
  if (state_ == State::kWelcomed && now >= next_beat_) beat(now);
}

void JobConsumer::beat(Clock::time_point now) {
  next_beat_ = now + beat_every_;
  Beat beat{worker_, boot_, ++beat_number_, config_.slots, {}, draining_};
  for (const auto& [id, job] : held_) {
    const auto activity = job->activity.load(std::memory_order_relaxed);
    beat.jobs.push_back({id, job->fence, activity > 0, job->units.load(std::memory_order_relaxed), activity,
                         job->spec.stream.empty() ? 0 : job->log.next_seq()});
  }
  output_.send_work(encode_frame(WorkKind::kBeat, beat));
}

void JobConsumer::publish(Handle& job, std::vector<StreamEvent> events) {
  if (events.empty() || job.spec.stream.empty()) return;
  output_.publish(
      topic_of_stream(job.spec.stream),
      encode_frame(EventKind::kStream, StreamBatch{job.spec.stream, job.fence, std::move(events)}));
}

void JobConsumer::flush(const std::shared_ptr<Handle>& job) {
  std::vector<StreamEvent> fresh;
  for (auto& event : job->take_waiting()) {
    if (job->finished || job->revoked) continue;
    if (event.kind == StreamEventKind::kToken) {
      fresh.push_back(job->log.append_token(event.data));
    } else if (event.kind == StreamEventKind::kRewind) {
      fresh.push_back(job->log.append_rewind(event.offset));
    } else {
      fresh.push_back(job->log.append(event.kind, std::move(event.data)));
    }
  }
  publish(*job, std::move(fresh));
}

void JobConsumer::finish(const std::shared_ptr<Handle>& job, Outcome outcome) {
  flush(job);
  const auto found = held_.find(job->spec.id);
  if (job->revoked || job->finished || found == held_.end() || found->second != job) return;
  if (!job->spec.stream.empty()) {
    for (auto& event : outcome.events) {
      if (event.kind == StreamEventKind::kToken) {
        job->log.append_token(event.data);
      } else if (event.kind != StreamEventKind::kTerminal) {
        job->log.append(event.kind, std::move(event.data));
      }
    }
    outcome.events = job->log.read(job->lease_seq - 1, SIZE_MAX);
  } else {
    outcome.events.clear();
  }
  job->outcome = fit_to_send(std::move(outcome));
  job->finished = true;
  if (state_ == State::kWelcomed) send_result(*job);
}

void JobConsumer::send_result(Handle& job) {
  output_.send_work(
      encode_frame(WorkKind::kResult, JobResult{worker_, job.spec.id, job.attempt, job.fence, job.outcome}));
}

void JobConsumer::release(Handle& job) {
  if (job.finished) return;
  job.outcome = {};
  job.outcome.status = OutcomeStatus::kReleased;
  job.finished = true;
  job.revoked = true;
  send_result(job);
}

void JobConsumer::drain(Clock::time_point now) {
  draining_ = true;
  if (state_ == State::kWelcomed) beat(now);  // first, so that what is given back goes to others
  for (auto& [id, job] : held_) {
    if (job->activity == 0) {
      release(*job);
      if (cancel_) cancel_(id);
    }
  }
}

void JobConsumer::give_up() {
  for (auto& [id, job] : held_) release(*job);
  if (state_ == State::kWelcomed) output_.send_work(encode_frame(WorkKind::kGoodbye, Goodbye{worker_}));
  state_ = State::kSilent;
}

bool JobConsumer::idle() const { return held_.empty(); }

}  // namespace answermill::bus
