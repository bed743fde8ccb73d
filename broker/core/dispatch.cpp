#include <algorithm>
#include <functional>

#include "broker/core/core.h"
#include "shared/base/ids.h"
#include "shared/messages/codec.h"

namespace answermill::broker {

using namespace messages;

void Core::begin_flight(Job& job) {
  if (std::exchange(job.in_flight, true)) return;
  tenants_.flight_begun(job.stored.spec.tenant);
}

void Core::end_flight(Job& job) {
  if (std::exchange(job.in_flight, false)) tenants_.flight_ended(job.stored.spec.tenant);
}

Core::Job& Core::add_job(Job added) {
  const std::string id = added.stored.spec.id;
  Job& job = jobs_.insert_or_assign(id, std::move(added)).first->second;
  count_in(job);
  return job;
}

// Its tenant, group and stream know of it from now on.
void Core::count_in(Job& job) {
  const JobSpec& spec = job.stored.spec;
  tenants_.job_opened(spec.tenant);
  if (const auto group = groups_.find(spec.group);
      group != groups_.end() && job.stored.completes_group.empty()) {
    group->second.ledger.job_opened();
    group->second.jobs.insert(spec.id);
  }
  if (const auto stream = streams_.find(spec.stream);
      stream != streams_.end() && job.stored.completes_stream.empty()) {
    stream->second.owner = spec.id;
  }
  if (job.deadline != TimePoint::max()) deadlines_.emplace(job.deadline, spec.id);
}

// A job leaves memory: its group and stream no longer count on it.
void Core::forget_job(const std::string& id) {
  const auto found = jobs_.find(id);
  if (found == jobs_.end()) return;
  const JobSpec& spec = found->second.stored.spec;
  end_flight(found->second);
  tenants_.job_closed(spec.tenant);
  ++jobs_closed_;
  if (const auto group = groups_.find(spec.group); group != groups_.end()) {
    group->second.jobs.erase(id);
    group->second.ledger.running(id, spec.stage, 0);
    dirty_groups_.insert(spec.group);
  }
  deadlines_.erase({found->second.deadline, id});
  jobs_.erase(found);
}

// Rendezvous hashing: each key has an order of preference over workers that does not depend on who else is
// there.
Core::Worker* Core::owner_of(const Job& job, std::uint64_t* epoch) {
  const JobSpec& spec = job.stored.spec;
  Route& route = routes_[{spec.stage, spec.routing_key}];
  if (auto current = workers_.find(route.worker); current != workers_.end() && !current->second.draining) {
    *epoch = route.epoch;
    return &current->second;
  }
  Worker* best = nullptr;
  std::size_t best_weight = 0;
  for (auto& [name, worker] : workers_) {
    if (worker.hello.stage != spec.stage || worker.draining) continue;
    const std::size_t weight = std::hash<std::string>{}(name + "\n" + spec.routing_key);
    if (best == nullptr || weight > best_weight) {
      best = &worker;
      best_weight = weight;
    }
  }
  if (best == nullptr) return nullptr;
  route = {best->name, new_fence()};
  *epoch = route.epoch;
  return best;
}

void Core::make_ready(const std::string& id, TimePoint now, bool front) {
  const auto found = jobs_.find(id);
  if (found != jobs_.end() && found->second.state != JobState::kLeased)
    stand_in_line(found->second, now, front);
}

void Core::stand_in_line(Job& job, TimePoint now, bool front) {
  const JobSpec& spec = job.stored.spec;
  end_flight(job);
  const auto stream = streams_.find(spec.stream);
  const bool from_before = job.recovered || (stream != streams_.end() && stream->second.from_before);
  if (from_before && !settled_ && now < hold_until_) {
    job.state = JobState::kHeld;
    held_[std::min<std::size_t>(static_cast<std::size_t>(spec.priority), held_.size() - 1)].push_back(
        spec.id);
    return;
  }
  job.state = JobState::kReady;
  Stage& stage = this->stage(spec.stage);
  ReadyQueue* queue = &stage.ready;
  job.worker.clear();
  if (!spec.routing_key.empty()) {
    std::uint64_t epoch = 0;
    Worker* owner = owner_of(job, &epoch);
    if (owner == nullptr) {
      stage.homeless.insert(spec.id);
      return;
    }
    job.worker = owner->name;
    queue = &owner->own;
  }
  if (front) {
    queue->push_front(spec, now);
  } else {
    queue->push(spec, now);
  }
}

// Takes a job that is not leased out of whatever queue it stands in.
void Core::unqueue(Job& job) {
  const JobSpec& spec = job.stored.spec;
  Stage& stage = this->stage(spec.stage);
  stage.homeless.erase(spec.id);
  if (job.state != JobState::kReady) return;
  if (const auto worker = workers_.find(job.worker); worker != workers_.end()) {
    worker->second.own.remove(spec.id);
  } else {
    stage.ready.remove(spec.id);
  }
}

// The job is taken from whoever has it: its worker is told and has the slot back.
void Core::take_away(Job& job, RevokeReason reason) {
  if (job.state != JobState::kLeased) {
    unqueue(job);
    return;
  }
  const auto worker = workers_.find(job.worker);
  if (worker == workers_.end()) return;
  worker->second.held.erase(job.stored.spec.id);
  output_.send(worker->second.route,
               encode_frame(WorkKind::kRevoke, Revoke{job.stored.spec.id, job.fence, reason}));
}

void Core::dispatch(TimePoint now) {
  for (auto& [name, stage] : stages_) dispatch_stage(name, stage, now);
  while (!lost_.empty()) {
    const std::string name = std::move(lost_.back());
    lost_.pop_back();
    if (const auto worker = workers_.find(name); worker != workers_.end())
      lose_worker(name, unreachable(worker->second, now), now);
  }
}

void Core::dispatch_stage(const std::string& name, Stage& stage, TimePoint now) {
  for (auto& [worker_name, worker] : workers_) {
    if (worker.hello.stage != name) continue;
    while (worker.free() > 0 && worker.own.size() > 0) {
      const auto id = worker.own.pop(now);
      if (!id) break;
      if (const auto job = jobs_.find(*id); job != jobs_.end()) lease(job->second, worker, now);
    }
  }
  while (stage.ready.size() > 0) {
    Worker* freest = nullptr;
    for (auto& [worker_name, worker] : workers_) {
      if (worker.hello.stage != name || worker.free() == 0) continue;
      if (freest == nullptr || worker.free() > freest->free()) freest = &worker;
    }
    if (freest == nullptr) return;
    const auto id = stage.ready.pop(now);
    if (!id) return;
    if (const auto job = jobs_.find(*id); job != jobs_.end()) lease(job->second, *freest, now);
  }
}

void Core::lease(Job& job, Worker& worker, TimePoint now) {
  Lease lease;
  JobSpec& spec = job.stored.spec;
  job.state = JobState::kLeased;
  job.worker = worker.name;
  job.fence = new_fence();
  job.adopted_from = 0;
  job.told_position = 0;
  begin_flight(job);
  job.leased_at = job.active_at = now;
  job.started = false;
  job.activity = 0;
  ++job.stored.attempt;
  worker.held.insert(spec.id);
  if (!spec.routing_key.empty()) lease.owner_epoch = routes_[{spec.stage, spec.routing_key}].epoch;
  open_lease(job, lease);
  const auto deadline_ms = spec.deadline_ms;
  if (job.deadline != TimePoint::max()) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(job.deadline - now).count();
    spec.deadline_ms = std::max<std::int64_t>(1, left);
  }
  lease.attempt = job.stored.attempt;
  lease.fence = job.fence;
  // Lent, not copied: a payload may have megabytes.
  lease.spec = std::move(spec);
  lease.attachment = std::move(job.stored.attachment);
  std::string frame = encode_frame(WorkKind::kLease, lease);
  spec = std::move(lease.spec);
  spec.deadline_ms = deadline_ms;
  job.stored.attachment = std::move(lease.attachment);
  if (!output_.send(worker.route, std::move(frame))) {
    if (worker.peer.key.empty()) {
      lost_.push_back(worker.name);
    } else {
      cut_off(worker, now);  // should it come back without this lease, the job goes out again
    }
  }
}

// The stream has a new writer.
void Core::open_lease(Job& job, Lease& lease) {
  const JobSpec& spec = job.stored.spec;
  const auto found = streams_.find(spec.stream);
  if (found == streams_.end() || !job.stored.completes_stream.empty() || found->second.log.finished()) return;
  Stream& stream = found->second;
  stream.log.set_epoch(job.fence);
  std::vector<StreamEvent> events;
  settle(stream, events);
  events.push_back(stream.log.append(StreamEventKind::kStatus, encode(StatusEvent{spec.stage, {}})));
  publish_events(stream, std::move(events));
  lease.stream = stream.log.state();
}

}  // namespace answermill::broker
