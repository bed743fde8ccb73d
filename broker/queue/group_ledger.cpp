#include "broker/queue/group_ledger.h"

#include <algorithm>

namespace answermill::broker {

using messages::GroupProgress;

GroupLedger::GroupLedger(messages::GroupSpec spec, TimePoint now) : spec_(std::move(spec)), started_(now) {
  progress_.group = spec_.id;
  progress_.subject = spec_.subject;
  progress_.generation = spec_.generation;
  visible_ = progress_;
}

GroupLedger::GroupLedger(messages::GroupSpec spec, GroupProgress progress, TimePoint now)
    : spec_(std::move(spec)), progress_(std::move(progress)), visible_(progress_), started_(now) {}

void GroupLedger::touch() {
  ++progress_.revision;
  changed_ = true;
}

messages::StageUnits& GroupLedger::stage(const std::string& name) {
  auto& stages = progress_.stages;
  const auto found =
      std::find_if(stages.begin(), stages.end(), [&](const auto& s) { return s.stage == name; });
  if (found != stages.end()) return *found;
  return stages.emplace_back(messages::StageUnits{name, 0, 0});
}

void GroupLedger::job_done(const messages::JobSpec& job, const messages::Outcome& outcome) {
  std::uint64_t handed_on = 0;
  for (const auto& next : outcome.followups) {
    if (next.stage == job.stage) handed_on += next.units;
  }
  if (job.units > handed_on) stage(job.stage).done += job.units - handed_on;
  for (const auto& total : outcome.totals) stage(total.stage).total = total.total;
  for (const auto& counted : outcome.counters) {
    auto& counters = progress_.counters;
    const auto found =
        std::find_if(counters.begin(), counters.end(), [&](const auto& c) { return c.name == counted.name; });
    if (found != counters.end()) {
      found->value += counted.value;
    } else {
      counters.push_back(counted);
    }
  }
  if (open_ > 0) --open_;
  touch();
}

void GroupLedger::job_failed(const messages::JobSpec& job, const std::string& job_id, ErrorCode code,
                             const std::string& message) {
  progress_.failures.push_back({job_id, job.stage, job.op, code, message, job.units, job.payload});
  if (open_ > 0) --open_;
  touch();
}

void GroupLedger::running(const std::string& job, const std::string& stage_name, std::uint32_t units) {
  const auto found = running_.find(job);
  if (units == 0) {
    if (found != running_.end()) running_.erase(found);
    return;
  }
  if (found != running_.end() && found->second.units == units) return;
  running_[job] = {stage_name, units};
  changed_ = true;
}

GroupProgress GroupLedger::shown(TimePoint now) {
  GroupProgress shown = visible_;
  double fraction = 0;
  std::size_t known = 0;
  for (auto& stage : shown.stages) {
    for (const auto& [job, running] : running_) {
      if (running.stage == stage.stage) stage.done += running.units;
    }
    if (stage.total > 0) stage.done = std::min(stage.done, stage.total);
    auto& highest = highest_[stage.stage];
    highest = std::max(highest, stage.done);
    stage.done = highest;
    if (stage.total > 0) {
      fraction += static_cast<double>(stage.done) / static_cast<double>(stage.total);
      ++known;
    }
  }
  const double elapsed_ms = std::chrono::duration<double, std::milli>(now - started_).count();
  if (known > 0 && fraction > 0 && elapsed_ms > 200) {
    fraction /= static_cast<double>(known);
    shown.eta_ms = static_cast<std::int64_t>(elapsed_ms * (1 - fraction) / fraction);
  }
  shown.revision = ++progress_.revision;
  return shown;
}

GroupProgress GroupLedger::final_progress() const {
  GroupProgress last = progress_;
  for (auto& stage : last.stages) {
    if (stage.total > 0) stage.done = std::min(stage.done, stage.total);
  }
  return last;
}

}  // namespace answermill::broker
