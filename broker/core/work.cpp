#include <fmt/format.h>

#include <algorithm>

#include "broker/core/core.h"
#include "shared/log/log.h"
#include "shared/messages/codec.h"

namespace answermill::broker {

using namespace messages;

void Core::on_work_frame(const std::string& route, std::string_view bytes, TimePoint now,
                         const bus::Peer& from) {
  const auto frame = split_frame(bytes);
  const auto kind = frame ? static_cast<WorkKind>(frame->kind) : WorkKind{};
  bool understood = false;
  if (kind == WorkKind::kHello) {
    if (auto hello = decode<Hello>(frame->body); hello && !hello->worker.empty() && !hello->stage.empty()) {
      understood = true;
      if (may_greet(*hello, from)) {
        on_hello(route, std::move(*hello), now, from);
      } else {
        output_.refused(bus::Refusal::kWrongRole, "a hello for a stage or worker that is not the key's");
      }
    }
  } else if (kind == WorkKind::kBeat) {
    if (const auto beat = decode<Beat>(frame->body)) {
      understood = true;
      on_beat(route, *beat, now);
    }
  } else if (kind == WorkKind::kResult) {
    if (auto result = decode<JobResult>(frame->body)) {
      understood = true;
      on_result(route, std::move(*result), now);
    }
  } else if (kind == WorkKind::kGoodbye) {
    understood = true;
    on_goodbye(route, now);
  }
  if (!understood) refuse_bytes(bytes, "work");
  dispatch(now);
}

Core::Worker* Core::worker_by_route(const std::string& route) {
  const auto name = by_route_.find(route);
  if (name == by_route_.end()) return nullptr;
  const auto worker = workers_.find(name->second);
  return worker == workers_.end() ? nullptr : &worker->second;
}

void Core::on_hello(const std::string& route, Hello hello, TimePoint now, const bus::Peer& from) {
  Worker& worker = workers_.try_emplace(hello.worker, &tenants_).first->second;
  const bool is_new = worker.name.empty();
  if (!worker.route.empty()) by_route_.erase(worker.route);
  worker.name = hello.worker;
  worker.route = route;
  worker.slots = std::max<std::uint32_t>(1, hello.slots);
  worker.heard = now;
  worker.draining = false;
  worker.away = false;
  worker.dead_slots = 0;
  worker.slot_died_at.reset();
  worker.peer = from;
  by_route_[route] = worker.name;

  Welcome welcome{boot_, static_cast<std::uint32_t>(config_.beat.count()), {}};
  std::set<std::string> claimed;
  const auto held = std::move(hello.held);
  hello.held.clear();
  worker.hello = std::move(hello);
  for (const auto& job : held) {
    welcome.adopted.push_back({job.spec.id, adopt(worker, job, now)});
    claimed.insert(job.spec.id);
  }
  // Leases that never reached the worker: it would have named them.
  const auto believed = worker.held;
  for (const auto& id : believed) {
    if (claimed.count(id) != 0) continue;
    worker.held.erase(id);
    if (const auto job = jobs_.find(id); job != jobs_.end() && job->second.worker == worker.name) {
      take_away(job->second, RevokeReason::kFenced);  // it may still be on its way
      job->second.state = JobState::kUncommitted;
      make_ready(id, now, true);
    }
  }
  output_.send(route, encode_frame(WorkKind::kWelcome, welcome));
  if (is_new) {
    log::info("event=worker_joined worker={} stage={} host={} pid={} slots={} held={}", worker.name,
              worker.hello.stage, worker.hello.host, worker.hello.pid, worker.slots, held.size());
  }
  const auto homeless = std::exchange(stage(worker.hello.stage).homeless, {});
  for (const auto& id : homeless) make_ready(id, now);
  fleet_changed_ = true;
}

// A relaxed job the journal never saw: its worker's copy is then the only one.
bool Core::may_adopt_unknown(const HeldJob& held, TimePoint now) {
  const JobSpec& spec = held.spec;
  if (spec.durability != Durability::kRelaxed || spec.id.empty() || taken_.count(spec.id) != 0) return false;
  const auto stream = streams_.find(spec.stream);
  if (stream == streams_.end()) return requests_.count(spec.tenant + "\n" + spec.request_id) == 0;
  if (stream->second.log.finished()) return false;
  const auto owner = jobs_.find(stream->second.owner);
  if (owner == jobs_.end()) return true;
  const bool older = owner->second.adopted_from != 0 && owner->second.adopted_from < held.fence;
  if (owner->second.state == JobState::kLeased && !older) return false;
  if (stream->second.log.epoch() > held.fence && !older) return false;
  // The journal, or a worker, remembers an earlier hop of the same question: this one is further.
  const std::string earlier = owner->first;
  take_away(owner->second, RevokeReason::kFenced);
  Transition transition;
  erase_row(transition, JournalTable::kJob, earlier);
  forget_job(earlier);
  commit(std::move(transition), now);
  return true;
}

// Somebody else has written on since this worker had its lease.
bool Core::is_stale(const Job& job, const Worker& worker, const HeldJob& held) const {
  const auto stream = streams_.find(held.spec.stream);
  if (job.state == JobState::kLeased && job.worker != worker.name) {
    const bool newer = job.adopted_from != 0 && job.adopted_from < held.fence;
    return !newer || stream == streams_.end() || !stream->second.quiet;
  }
  if (job.state == JobState::kLeased) {
    return held.fence != job.fence && held.fence != job.adopted_from;
  }
  return stream != streams_.end() && stream->second.log.epoch() > held.fence;
}

// The new fence, or 0 when the job is somebody else's or done.
std::uint64_t Core::adopt(Worker& worker, const HeldJob& held, TimePoint now) {
  auto found = jobs_.find(held.spec.id);
  const bool unknown = found == jobs_.end();
  const std::string& stage = unknown ? held.spec.stage : found->second.stored.spec.stage;
  if (stage != worker.hello.stage) return 0;
  if (unknown) {
    if (!may_adopt_unknown(held, now)) return 0;
    Transition transition;
    if (!held.spec.stream.empty() && streams_.count(held.spec.stream) == 0) {
      open_stream({held.spec.stream, {}}, false, held.spec.tenant, transition).from_before = true;
    }
    Job job;
    job.stored.spec = held.spec;
    job.state = JobState::kWaiting;
    put_job(transition, job);
    add_job(std::move(job));
    commit(std::move(transition), now);
    found = jobs_.find(held.spec.id);
  }
  Job& job = found->second;
  if (job.state == JobState::kUncommitted || (!unknown && is_stale(job, worker, held))) return 0;
  if (job.state != JobState::kLeased || job.worker != worker.name) take_away(job, RevokeReason::kFenced);
  job.state = JobState::kLeased;
  job.adopted_from = held.fence;
  begin_flight(job);
  job.worker = worker.name;
  job.stored.attempt = std::max(job.stored.attempt, held.attempt);
  job.fence = new_fence();
  job.leased_at = job.active_at = now;
  job.started = held.started;
  if (held.spec.deadline_ms > 0 && job.deadline == TimePoint::max()) {
    job.deadline = now + std::chrono::milliseconds(held.spec.deadline_ms);
    deadlines_.emplace(job.deadline, held.spec.id);
  }
  worker.held.insert(held.spec.id);
  if (!held.spec.routing_key.empty()) {
    Route& route = routes_[{held.spec.stage, held.spec.routing_key}];
    if (route.worker != worker.name) route = {worker.name, new_fence()};
  }
  adopt_stream(job, held, now);
  return job.fence;
}

void Core::on_beat(const std::string& route, const Beat& beat, TimePoint now) {
  Worker* worker = worker_by_route(route);
  BeatReply reply{boot_, worker != nullptr, {}};
  if (worker != nullptr) {
    worker->heard = now;
    worker->slots = std::max<std::uint32_t>(1, beat.slots);
    if (beat.draining && !std::exchange(worker->draining, true)) hand_on(worker->own.drain(), now);
    std::size_t named = 0;
    for (const auto& running : beat.jobs) {
      const auto found = jobs_.find(running.job);
      if (found == jobs_.end() || found->second.fence != running.fence ||
          found->second.worker != worker->name) {
        if (taken_.count(running.job) == 0)
          reply.revoked.push_back({running.job, running.fence, RevokeReason::kFenced});
        continue;
      }
      Job& job = found->second;
      if (std::exchange(job.named_at, now) != now) ++named;
      job.started = job.started || running.started;
      if (running.activity != job.activity) {
        job.activity = running.activity;
        job.active_at = now;
      }
      const JobSpec& spec = job.stored.spec;
      if (const auto group = spec.group.empty() ? groups_.end() : groups_.find(spec.group);
          group != groups_.end()) {
        group->second.ledger.running(running.job, spec.stage, std::min(running.units_done, spec.units));
        dirty_groups_.insert(spec.group);
      }
      Stream* stream = running.next_seq == 0 ? nullptr : stream_index_.find(spec.stream);
      if (stream != nullptr && running.next_seq > stream->log.next_seq()) ask_resend(*stream, now);
    }
    if (named < worker->held.size()) take_back_lost_leases(*worker, beat, now);
  }
  output_.send(route, encode_frame(WorkKind::kBeatReply, reply));
}

// A worker names every job it holds until that is committed: what it does not name after a while never
// arrived.
void Core::take_back_lost_leases(Worker& worker, const Beat& beat, TimePoint now) {
  std::set<std::string_view> named;
  for (const auto& job : beat.jobs) named.insert(job.job);
  std::vector<std::string> lost;
  for (const auto& id : worker.held) {
    const auto job = jobs_.find(id);
    if (named.count(id) == 0 && job != jobs_.end() && now - job->second.leased_at > config_.beat_missing)
      lost.push_back(id);
  }
  for (const auto& id : lost) {
    log::warn("event=lease_lost job={} worker={}", id, worker.name);
    Job& job = jobs_.at(id);
    take_away(job, RevokeReason::kFenced);
    job.state = JobState::kUncommitted;
    make_ready(id, now, true);
  }
}

void Core::on_result(const std::string& route, JobResult result, TimePoint now) {
  Worker* worker = worker_by_route(route);
  if (worker == nullptr) {
    output_.send(route, encode_frame(WorkKind::kBeatReply, BeatReply{boot_, false, {}}));
    return;
  }
  worker->heard = now;
  const auto found = jobs_.find(result.job);
  if (found == jobs_.end() || found->second.state != JobState::kLeased ||
      found->second.fence != result.fence) {
    const auto taken = taken_.find(result.job);
    const bool same = taken != taken_.end() && taken->second.fence == result.fence;
    if (same && taken->second.ticket > durable_) return;  // answered when its commit is through
    // Its slot is free unless the job is its own again, under a newer fence.
    const bool its_own = found != jobs_.end() && found->second.state == JobState::kLeased &&
                         found->second.worker == worker->name;
    if (!same && !its_own) worker->held.erase(result.job);
    output_.send(route, encode_frame(WorkKind::kCommitted, Committed{result.job, result.fence, same}));
    return;
  }
  Job& job = found->second;
  if (const auto stream = streams_.find(job.stored.spec.stream);
      stream != streams_.end() && stream->second.quiet && stream->second.owner == result.job) {
    stream->second.deferred.emplace(route, std::move(result));
    return;
  }
  worker->held.erase(result.job);
  switch (result.outcome.status) {
    case OutcomeStatus::kDone:
      job_done(job, std::move(result.outcome), *worker, now);
      break;
    case OutcomeStatus::kFailed:
      job_failed(job, result.outcome, *worker, now);
      break;
    case OutcomeStatus::kReleased:
      job.state = JobState::kUncommitted;
      if (job.stored.attempt > 0) --job.stored.attempt;
      if (remember_stream(job)) {
        Transition transition;
        put_job(transition, job);
        commit(std::move(transition), now);
      }
      output_.send(route, encode_frame(WorkKind::kCommitted, Committed{result.job, result.fence, true}));
      make_ready(result.job, now, true);
      break;
  }
}

void Core::on_goodbye(const std::string& route, TimePoint now) {
  if (const Worker* worker = worker_by_route(route)) lose_worker(std::string(worker->name), Loss::kLeft, now);
}

std::string_view Core::name_of(Loss loss) {
  switch (loss) {
    case Loss::kLeft:
      return "left";
    case Loss::kSilent:
      return "silent";
    case Loss::kUnreachable:
      return "unreachable";
    case Loss::kHung:
      return "hung";
  }
  return {};
}

// The jobs that may have taken their worker down. A loop hangs in what came last, so of leases that followed
// the last word from it the oldest is the one; else, and when the process died, those that its beats named as
// started, and the oldest lease, which certainly was.
std::set<std::string> Core::in_work(const Worker& worker, Loss loss) const {
  const Job* oldest = nullptr;
  const Job* newcomer = nullptr;
  std::set<std::string> started;
  for (const auto& id : worker.held) {
    const auto found = jobs_.find(id);
    if (found == jobs_.end() || found->second.worker != worker.name) continue;
    const Job& job = found->second;
    if (oldest == nullptr || job.fence < oldest->fence) oldest = &job;
    const bool is_new = !job.started && job.leased_at >= worker.heard;
    if (is_new && (newcomer == nullptr || job.fence < newcomer->fence)) newcomer = &job;
    if (job.started) started.insert(id);
  }
  if (loss == Loss::kHung && newcomer != nullptr) return {newcomer->stored.spec.id};
  if (oldest != nullptr) started.insert(oldest->stored.spec.id);
  return started;
}

void Core::lose_worker(const std::string& name, Loss loss, TimePoint now) {
  const auto found = workers_.find(name);
  if (found == workers_.end()) return;
  Worker lost = std::move(found->second);
  workers_.erase(found);
  if (const auto at = by_route_.find(lost.route); at != by_route_.end() && at->second == name)
    by_route_.erase(at);
  fleet_changed_ = true;
  log::info("event=worker_lost worker={} stage={} why={} held={}", name, lost.hello.stage, name_of(loss),
            lost.held.size());
  lost.route.clear();  // nobody is told of its jobs: should it come back, its hello names them
  const bool charges = loss == Loss::kUnreachable || loss == Loss::kHung;
  const auto charged = charges ? in_work(lost, loss) : std::set<std::string>{};
  Outcome crash;
  crash.status = OutcomeStatus::kFailed;
  crash.code = loss == Loss::kHung ? ErrorCode::kTimeout : ErrorCode::kCrashed;
  crash.retryable = crash.crashed = true;
  if (loss == Loss::kHung) {
    const auto silent = std::chrono::duration<double>(now - lost.heard).count();
    crash.message = fmt::format("its work made no progress for {:.0f} s and hung its worker", silent);
  }
  for (const auto& id : lost.held) {
    const auto entry = jobs_.find(id);
    if (entry == jobs_.end() || entry->second.worker != name) continue;
    if (charged.count(id) != 0) {
      job_failed(entry->second, crash, lost, now);
    } else {
      entry->second.state = JobState::kUncommitted;
      make_ready(id, now, true);
    }
  }
  reassign_routes(name, now);
  hand_on(lost.own.drain(), now);
}

// Jobs that stood in line for one worker find another.
void Core::hand_on(const std::deque<std::string>& jobs, TimePoint now) {
  for (const auto& id : jobs) {
    if (const auto job = jobs_.find(id); job != jobs_.end()) {
      job->second.state = JobState::kUncommitted;
      make_ready(id, now);
    }
  }
}

void Core::reassign_routes(const std::string& worker, TimePoint) {
  for (auto& [key, route] : routes_) {
    if (route.worker == worker) route.worker.clear();
  }
}

}  // namespace answermill::broker
