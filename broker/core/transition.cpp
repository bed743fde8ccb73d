#include <fmt/format.h>

#include "broker/core/core.h"
#include "shared/messages/codec.h"

namespace answermill::broker {

using messages::encode;

Core::Core(CoreConfig config, Output& output, std::uint32_t boot, TimePoint now)
    : config_(config), output_(output), boot_(boot), started_(now), hold_until_(now + config.hold) {}

// Ids sort by age, so that a recovered queue keeps its order.
std::string Core::new_job_id() { return fmt::format("j{:08x}{:012x}", boot_, ++job_counter_); }

void Core::put_job(Transition& transition, const Job& job) {
  transition.ops.push_back({JournalTable::kJob, false, job.stored.spec.id, encode(job.stored)});
}

void Core::erase_row(Transition& transition, JournalTable table, const std::string& key) {
  transition.ops.push_back({table, true, key, {}});
}

void Core::put_group(Transition& transition, const Group& group) {
  transition.ops.push_back({JournalTable::kGroup, false, group.ledger.spec().id,
                            encode(messages::StoredGroup{group.ledger.spec(), group.ledger.committed()})});
}

void Core::commit(Transition transition, TimePoint now) {
  if (!transition.ops.empty()) {
    ++ticket_;
    output_.journal(std::move(transition.ops), ticket_);
  }
  if (transition.strict && ticket_ > durable_) {
    pending_.emplace_back(ticket_, std::move(transition.effects));
    return;
  }
  for (auto& effect : transition.effects) effect(now);
}

void Core::on_committed(std::uint64_t ticket, TimePoint now) {
  durable_ = std::max(durable_, ticket);
  while (!pending_.empty() && pending_.front().first <= durable_) {
    const auto effects = std::move(pending_.front().second);
    pending_.pop_front();
    for (const auto& effect : effects) effect(now);
  }
  dispatch(now);
}

void Core::recover(const JournalRow& row) {
  const TimePoint now = started_;
  switch (row.table) {
    case JournalTable::kRequest:
      if (auto request = messages::decode<messages::StoredRequest>(row.value))
        requests_[row.key] = std::move(*request);
      break;
    case JournalTable::kGroup:
      if (auto group = messages::decode<messages::StoredGroup>(row.value)) {
        groups_.emplace(row.key,
                        Group{GroupLedger(group->spec, group->progress, now), {}, {}, TimePoint::max()});
        dirty_groups_.insert(row.key);
      }
      break;
    case JournalTable::kStream:
      if (auto stream = messages::decode<messages::StoredStream>(row.value)) {
        Transition none;
        open_stream(stream->spec, true, stream->tenant, none);
      }
      break;
    case JournalTable::kJob:
      if (auto stored = messages::decode<messages::StoredJob>(row.value)) {
        Job job;
        job.stored = std::move(*stored);
        job.recovered = true;
        if (job.stored.spec.deadline_ms > 0) {
          job.deadline = now + std::chrono::milliseconds(job.stored.spec.deadline_ms);
        }
        const std::string id = job.stored.spec.id;
        if (const auto stream = streams_.find(job.stored.spec.stream); stream != streams_.end()) {
          stream->second.log.merge(job.stored.stream);
        }
        add_job(std::move(job));
        make_ready(id, now);
      }
      break;
  }
}

}  // namespace answermill::broker
