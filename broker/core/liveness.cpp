#include <vector>

#include "broker/core/core.h"
#include "shared/log/log.h"
#include "shared/messages/codec.h"

namespace answermill::broker {

using namespace messages;

namespace {
constexpr std::chrono::minutes kRememberTaken{10};
}

void Core::on_tick(TimePoint now) {
  while (!waiting_.empty() && waiting_.begin()->first <= now) {
    const std::string id = waiting_.begin()->second;
    waiting_.erase(waiting_.begin());
    if (const auto job = jobs_.find(id); job != jobs_.end() && job->second.state == JobState::kWaiting) {
      make_ready(id, now);
    }
  }
  if (!held_.empty() && now >= hold_until_) release_held(now);
  if (now >= next_probe_) {
    next_probe_ = now + config_.probe;
    check_workers(now);
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
  if (fleet_changed_ || now >= next_second_) publish_fleet(now);
  if (now >= next_second_) {
    next_second_ = now + std::chrono::seconds(1);
    check_jobs(now);
    publish_beacons();
    evict(now);
  }
  dispatch(now);
}

void Core::release_held(TimePoint now) {
  const auto held = std::exchange(held_, {});
  for (const auto& id : held) {
    if (const auto job = jobs_.find(id); job != jobs_.end() && job->second.state == JobState::kHeld) {
      job->second.recovered = false;
      make_ready(id, now);
    }
  }
}

// A peer that is gone shows as unreachable; one that is silent may be stopped or cut off.
void Core::check_workers(TimePoint now) {
  const std::string probe = encode_frame(WorkKind::kBeatReply, BeatReply{boot_, true, {}});
  std::vector<std::pair<std::string, bool>> lost;
  for (const auto& [name, worker] : workers_) {
    if (!output_.send(worker.route, probe)) {
      lost.emplace_back(name, true);
    } else if (now - worker.heard > config_.beat_missing) {
      lost.emplace_back(name, false);
    }
  }
  for (const auto& [name, gone] : lost) lose_worker(name, gone, gone ? "unreachable" : "silent", now);
}

void Core::check_jobs(TimePoint now) {
  std::vector<std::string> expired;
  std::vector<std::string> stuck;
  for (const auto& [id, job] : jobs_) {
    if (now >= job.deadline) {
      expired.push_back(id);
    } else if (job.state == JobState::kLeased && job.started && now - job.active_at > config_.no_progress) {
      stuck.push_back(id);
    }
  }
  for (const auto& id : expired) {
    const auto found = jobs_.find(id);
    if (found == jobs_.end() || !found->second.stored.completes_stream.empty()) continue;
    Job& job = found->second;
    Transition transition;
    transition.strict = job.stored.spec.durability == Durability::kStrict;
    const std::string stream = job.stored.spec.stream;
    if (streams_.count(stream) != 0) {
      end_stream(transition, stream,
                 {Terminal::kExpired, 0, {}, ErrorCode::kExpired, "no answer within the time allowed", {}},
                 now);
    } else {
      unqueue(job);
      set_aside(transition, job, ErrorCode::kExpired, "not done within the time allowed", now);
    }
    commit(std::move(transition), now);
  }
  for (const auto& id : stuck) {
    const auto found = jobs_.find(id);
    const auto worker = workers_.find(found->second.worker);
    if (worker == workers_.end()) continue;
    output_.send(worker->second.route,
                 encode_frame(WorkKind::kRevoke, Revoke{id, found->second.fence, RevokeReason::kFenced}));
    worker->second.held.erase(id);
    Outcome outcome;
    outcome.status = OutcomeStatus::kFailed;
    outcome.code = ErrorCode::kTimeout;
    outcome.message = "no progress for " + std::to_string(config_.no_progress.count()) + " s";
    outcome.retryable = outcome.crashed = true;
    job_failed(found->second, outcome, worker->second, now);
  }
}

void Core::publish_beacons() {
  for (const auto& [topic, members] : streams_by_topic_) {
    Beacon beacon{boot_, {}};
    for (const auto& id : members) {
      const auto& log = streams_.at(id).log;
      if (!log.finished() || !streams_.at(id).recorded) beacon.heads.push_back({id, log.next_seq()});
    }
    if (!beacon.heads.empty()) output_.publish(topic, encode_frame(EventKind::kBeacon, beacon));
  }
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
  for (const auto& [id, stream] : streams_) fleet.open_streams += stream.log.finished() ? 0 : 1;
  for (const auto& [id, group] : groups_) fleet.open_groups += group.evict_at == TimePoint::max() ? 1 : 0;
  fleet.journal_ok = output_.journal_healthy();
  output_.publish(kFleetTopic, encode_frame(EventKind::kFleet, fleet));
}

void Core::evict(TimePoint now) {
  for (auto stream = streams_.begin(); stream != streams_.end();) {
    if (stream->second.evict_at > now) {
      ++stream;
      continue;
    }
    const std::string topic(stream->first.substr(0, stream->first.find('-')));
    auto& members = streams_by_topic_[topic];
    members.erase(stream->first);
    if (members.empty()) streams_by_topic_.erase(topic);
    stream = streams_.erase(stream);
  }
  for (auto group = groups_.begin(); group != groups_.end();) {
    group = group->second.evict_at <= now ? groups_.erase(group) : std::next(group);
  }
  while (!taken_order_.empty() && now - taken_order_.front().first > kRememberTaken) {
    taken_.erase(taken_order_.front().second);
    taken_order_.pop_front();
  }
}

}  // namespace answermill::broker
