#include <algorithm>
#include <vector>

#include "broker/core/core.h"
#include "shared/log/log.h"
#include "shared/messages/codec.h"

namespace answermill::broker {

using namespace messages;

namespace {
constexpr std::chrono::minutes kRememberTaken{10};
constexpr std::chrono::minutes kTrySlotAgain{10};
constexpr std::size_t kReleaseStep = 8192;     // jobs: a few milliseconds
constexpr std::size_t kMostTaken = 1U << 18U;  // a worker repeats a result within seconds
}  // namespace

void Core::on_tick(TimePoint now) {
  while (!waiting_.empty() && waiting_.begin()->first <= now) {
    const std::string id = waiting_.begin()->second;
    waiting_.erase(waiting_.begin());
    if (const auto job = jobs_.find(id); job != jobs_.end() && job->second.state == JobState::kWaiting) {
      make_ready(id, now);
    }
  }
  if (releasing_ || (!settled_ && now >= hold_until_)) release_held(now);
  if (now >= next_probe_) {
    next_probe_ = now + config_.probe;
    check_workers(now);
    expire_jobs(now);
  }
  const auto dirty = std::exchange(dirty_groups_, {});
  for (const auto& id : dirty) {
    const auto group = groups_.find(id);
    if (group == groups_.end() || !group->second.ledger.changed()) continue;
    if (now - group->second.published < config_.progress_every) {
      dirty_groups_.insert(id);
    } else {
      publish_progress(group->second, now);
    }
  }
  tend_streams(now);
  if (fleet_changed_ || now >= next_second_) publish_fleet(now);
  if (now >= next_second_) {
    next_second_ = now + std::chrono::seconds(1);
    check_progress(now);
    publish_positions();
    evict(now);
  }
  dispatch(now);
}

// Those of people first, each kind by age, and no more at once than beats and tokens can wait for.
void Core::release_held(TimePoint now) {
  if (!std::exchange(settled_, true)) {
    releasing_ = true;
    for (auto& line : held_) {
      if (!std::is_sorted(line.begin(), line.end())) std::sort(line.begin(), line.end());
    }
    std::vector<std::string> quiet;
    for (const auto& [id, stream] : streams_) {
      if (stream.quiet) quiet.push_back(id);
    }
    for (const auto& id : quiet) speak(streams_.at(id), now);
  }
  std::size_t left = kReleaseStep;
  for (auto& line : held_) {
    if (line.empty()) continue;
    for (; left > 0 && released_ < line.size(); --left) {
      const auto job = jobs_.find(line[released_++]);
      if (job == jobs_.end() || job->second.state != JobState::kHeld) continue;
      job->second.recovered = false;
      stand_in_line(job->second, now, false);
    }
    if (released_ < line.size()) return;
    line = {};
    released_ = 0;
  }
  releasing_ = false;
  end_lost_streams(now);
}

// Whoever wrote these has not come back, and their jobs are not in the journal: a damaged row was set aside.
void Core::end_lost_streams(TimePoint now) {
  std::vector<std::string> lost;
  for (const auto& [id, stream] : streams_) {
    if (stream.from_before && !stream.log.finished() && jobs_.count(stream.owner) == 0) lost.push_back(id);
  }
  for (const auto& id : lost) {
    Transition transition;
    end_stream(transition, id,
               {Terminal::kFailed, 0, {}, ErrorCode::kDamaged, "its job is lost; ask again", {}}, now);
    commit(std::move(transition), now);
  }
}

// A process that ended shows as unreachable at once, a stopped one only after `unanswered`. One that is still
// reachable when its silence counts has an I/O thread that answers and a loop that does not turn. Over the
// network a connection may be dead for seconds before that shows: there silence says nothing more.
Core::Loss Core::unreachable(const Worker& worker, TimePoint now) const {
  return now - worker.heard < config_.unanswered ? Loss::kUnreachable : Loss::kSilent;
}

void Core::check_workers(TimePoint now) {
  const std::string probe = encode_frame(WorkKind::kBeatReply, BeatReply{boot_, true, {}});
  std::vector<std::pair<std::string, Loss>> lost;
  for (auto& [name, worker] : workers_) {
    if (!worker.away && !output_.send(worker.route, probe)) {
      if (worker.peer.key.empty()) {
        lost.emplace_back(name, unreachable(worker, now));
      } else {
        cut_off(worker, now);
      }
    } else if (now - worker.heard > config_.beat_missing) {
      lost.emplace_back(name, worker.away               ? Loss::kUnreachable
                              : worker.peer.key.empty() ? Loss::kHung
                                                        : Loss::kSilent);
    }
  }
  for (const auto& [name, loss] : lost) lose_worker(name, loss, now);
}

void Core::expire_jobs(TimePoint now) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const std::string id = deadlines_.begin()->second;
    deadlines_.erase(deadlines_.begin());
    const auto found = jobs_.find(id);
    if (found == jobs_.end()) continue;
    Job& job = found->second;
    Transition transition;
    transition.strict = job.stored.spec.durability == Durability::kStrict;
    const auto stream = streams_.find(job.stored.spec.stream);
    if (stream != streams_.end() && stream->second.owner == id && !stream->second.log.finished()) {
      end_stream(transition, stream->first,
                 {Terminal::kExpired, 0, {}, ErrorCode::kExpired, "no answer within the time allowed", {}},
                 now);
    } else {
      take_away(job, RevokeReason::kExpired);
      set_aside(transition, job, ErrorCode::kExpired, "not done within the time allowed", now);
    }
    commit(std::move(transition), now);
  }
}

// A job that was started and shows no sign of life is taken away, and counts as crashed. The thread that ran
// it is lost to its worker; what that one was given besides and never began goes to another, and counts
// nothing.
void Core::check_progress(TimePoint now) {
  std::vector<std::string> stuck;
  for (auto& [name, worker] : workers_) {
    if (worker.slot_died_at && now - *worker.slot_died_at > kTrySlotAgain) worker.dead_slots = 0;
    for (const auto& id : worker.held) {
      const auto found = jobs_.find(id);
      if (found == jobs_.end()) continue;
      const Job& job = found->second;
      const bool waits_for_the_dead = !job.started && worker.slot_died_at;
      if (now - job.active_at > config_.no_progress && (job.started || waits_for_the_dead))
        stuck.push_back(id);
    }
  }
  for (const auto& id : stuck) {
    const auto found = jobs_.find(id);
    if (found == jobs_.end()) continue;
    Job& job = found->second;
    const auto worker = workers_.find(job.worker);
    if (worker == workers_.end()) continue;
    take_away(job, RevokeReason::kFenced);
    ++worker->second.dead_slots;
    worker->second.slot_died_at = now;
    log::warn("event=slot_lost worker={} job={} started={} lost={} of={}", job.worker, id, job.started,
              worker->second.dead_slots, worker->second.slots);
    if (!job.started) {
      job.state = JobState::kUncommitted;
      make_ready(id, now, true);
      continue;
    }
    Outcome outcome;
    outcome.status = OutcomeStatus::kFailed;
    outcome.code = ErrorCode::kTimeout;
    outcome.message = "no progress for " + std::to_string(config_.no_progress.count()) + " s";
    outcome.retryable = outcome.crashed = true;
    job_failed(job, outcome, worker->second, now);
  }
}

// People whose question waits see their place in line; told again only when it has halved, since what is told
// stays in the stream.
void Core::publish_positions() {
  constexpr std::size_t kFirst = 1000;
  const auto tell = [this](const ReadyQueue& queue) {
    std::uint32_t position = 0;
    for (const auto& id : queue.next_interactive(kFirst)) {
      if (const auto job = jobs_.find(id); job != jobs_.end()) tell_position(job->second, ++position);
    }
  };
  for (const auto& [name, stage] : stages_) tell(stage.ready);
  for (const auto& [name, worker] : workers_) tell(worker.own);
}

void Core::tell_position(Job& job, std::uint32_t position) {
  if (job.told_position != 0 && position > job.told_position / 2) return;
  const auto found = streams_.find(job.stored.spec.stream);
  if (found == streams_.end() || found->second.owner != job.stored.spec.id) return;
  if (found->second.log.finished()) return;
  job.told_position = position;
  found->second.log.set_epoch(new_fence());  // whoever had it before and still writes is not heard any more
  std::vector<StreamEvent> events;
  settle(found->second, events);
  events.push_back(found->second.log.append(StreamEventKind::kStatus,
                                            encode(StatusEvent{job.stored.spec.stage, {}, position})));
  publish_events(found->second, std::move(events));
}

void Core::publish_fleet(TimePoint now) {
  fleet_changed_ = false;
  FleetStatus fleet;
  fleet.boot = boot_;
  fleet.uptime_ms = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(now - started_).count());
  std::map<std::string, StageStatus> stages;
  for (auto& [name, stage] : stages_) {
    StageStatus& status = stages[name] = stage.status;
    status.stage = name;
    status.queued = stage.ready.size() + stage.homeless.size();
  }
  for (const auto& [name, worker] : workers_) {
    const auto busy = static_cast<std::uint32_t>(worker.held.size());
    fleet.workers.push_back({name, worker.hello.stage, worker.hello.host, worker.hello.pid, worker.slots,
                             busy, worker.hello.detail});
    stages[worker.hello.stage].leased += busy;
    stages[worker.hello.stage].queued += worker.own.size();
  }
  for (auto& [name, status] : stages) fleet.stages.push_back(status);
  fleet.open_streams = open_streams_;
  fleet.kept_streams = streams_.size() - open_streams_;
  fleet.stream_bytes = stream_budget_.total();
  fleet.evicted_streams = streams_evicted_;
  for (const auto& [id, group] : groups_) fleet.open_groups += group.evict_at == TimePoint::max() ? 1 : 0;
  fleet.journal_ok = output_.journal_healthy();
  fleet.refused = output_.refusals();
  output_.publish(kFleetTopic, encode_frame(EventKind::kFleet, fleet));
}

void Core::evict(TimePoint now) {
  for (auto group = groups_.begin(); group != groups_.end();) {
    group = group->second.evict_at <= now ? groups_.erase(group) : std::next(group);
  }
  while (!requests_order_.empty() && now - requests_order_.front().first > config_.keep_requests) {
    requests_.erase(requests_.find(*requests_order_.front().second));
    requests_order_.pop_front();
  }
  const auto unneeded = [&](const std::pair<TimePoint, std::string>& taken) {
    if (now - taken.first > kRememberTaken) return true;
    const auto found = taken_.find(taken.second);
    return taken_order_.size() > kMostTaken && (found == taken_.end() || found->second.ticket <= durable_);
  };
  while (!taken_order_.empty() && unneeded(taken_order_.front())) {
    taken_.erase(taken_order_.front().second);
    taken_order_.pop_front();
  }
}

}  // namespace answermill::broker
