#include <array>

#include "broker/core/core.h"
#include "shared/messages/codec.h"

namespace answermill::broker {

using messages::encode;

Core::Core(CoreConfig config, Output& output, std::uint32_t boot, TimePoint now)
    : config_(config),
      output_(output),
      boot_(boot),
      started_(now),
      hold_until_(now + config.hold),
      tenants_(config.tenants),
      random_(static_cast<std::minstd_rand::result_type>(config.jitter_seed)) {}

// A letter, the boot and the counter in digits of 32, 6 and 8 of them: ids sort by age, and fit into the 15
// bytes that a std::string holds without asking for memory, which millions of copies in sets and maps notice.
// Wider numbers make longer ids, which are as good.
std::string Core::new_job_id() {
  constexpr std::string_view kDigits = "0123456789abcdefghijklmnopqrstuv";
  std::array<char, 1 + 7 + 13> text{};
  std::size_t at = text.size();
  const auto put = [&](std::uint64_t number, std::size_t width) {
    const std::size_t least = at - width;
    for (; number > 0 || at > least; number >>= 5U) text[--at] = kDigits[number & 31U];
  };
  put(++job_counter_, 8);
  put(boot_, 6);
  text[--at] = 'k';
  return {text.data() + at, text.size() - at};
}

void Core::put_job(Transition& transition, const Job& job) {
  transition.ops.push_back({JournalTable::kJob, false, job.stored.spec.id, encode(job.stored)});
}

void Core::erase_row(Transition& transition, JournalTable table, const std::string& key) {
  transition.ops.push_back({table, true, key, {}});
}

void Core::put_group(Transition& transition, const Group& group) {
  transition.ops.push_back({JournalTable::kGroup, false, group.ledger.spec().id,
                            encode(messages::StoredGroup{group.ledger.spec(), group.ledger.committed()})});
  // Progress is shown when it is durable, so that no crash can turn it back.
  transition.effects.emplace_back(
      [this, id = group.ledger.spec().id, committed = group.ledger.committed()](TimePoint) {
        const auto found = groups_.find(id);
        if (found == groups_.end()) return;
        found->second.ledger.show(committed);
        dirty_groups_.insert(id);
      });
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

void Core::expect(std::size_t requests, std::size_t jobs) {
  constexpr std::size_t kMost = 4'000'000;
  requests_.reserve(std::min(requests, kMost));
  jobs_.reserve(std::min(jobs, kMost));
}

void Core::recover(JournalRecord&& row) {
  const TimePoint now = started_;
  if (auto* request = std::get_if<KnownRequest>(&row.what)) {
    remember_request(std::move(row.key), std::move(*request), now);
  } else if (auto* group = std::get_if<messages::StoredGroup>(&row.what)) {
    groups_.emplace(row.key, Group{GroupLedger(group->spec, group->progress, now), {}, {}, TimePoint::max()});
    dirty_groups_.insert(row.key);
  } else if (auto* stream = std::get_if<messages::StoredStream>(&row.what)) {
    Transition none;
    open_stream(stream->spec, true, stream->tenant, none).from_before = true;
  } else if (auto* job = std::get_if<messages::StoredJob>(&row.what)) {
    recover_job(std::move(*job));
  }
}

void Core::recover_job(messages::StoredJob&& stored) {
  const auto [at, is_new] = jobs_.try_emplace(stored.spec.id);
  if (!is_new) return;  // no journal has one twice
  Job& job = at->second;
  job.stored = std::move(stored);
  job.recovered = true;
  if (job.stored.spec.deadline_ms > 0) {
    job.deadline = started_ + std::chrono::milliseconds(job.stored.spec.deadline_ms);
  }
  const std::string& name = job.stored.spec.stream;
  if (!name.empty() && job.stored.completes_stream.empty()) {
    auto stream = streams_.find(name);
    if (stream == streams_.end()) {
      // An earlier broker had the question from a worker only, and died before its frontend claimed it.
      Transition none;
      open_stream({name, {}}, false, job.stored.spec.tenant, none).from_before = true;
      stream = streams_.find(name);
    }
    stream->second.log.merge(job.stored.stream);
  }
  // A stream that is being recorded has ended: whoever missed its terminal event finds it here.
  if (const auto ended = streams_.find(job.stored.completes_stream); ended != streams_.end()) {
    if (const auto state = messages::decode<messages::StreamState>(job.stored.attachment))
      ended->second.log.merge(*state);
    if (ended->second.log.finished()) close_stream(ended->second);
  }
  if (!job.stored.completes_group.empty()) completing_.insert(job.stored.completes_group);
  count_in(job);
  stand_in_line(job, started_, false);
}

// A group whose last open job is not in the journal (a damaged row was set aside) would wait for ever.
void Core::recovered(TimePoint now) {
  hold_until_ = std::max(hold_until_, now + config_.hold / 2);
  const auto completing = std::exchange(completing_, {});
  Transition transition;
  for (auto& [id, group] : groups_) {
    if (group.ledger.state() == messages::GroupState::kCompleting && completing.count(id) == 0) {
      group.ledger.set_state(messages::GroupState::kRunning);
    }
    close_group_if_complete(transition, id);
  }
  if (!transition.ops.empty()) commit(std::move(transition), started_);
}

}  // namespace answermill::broker
