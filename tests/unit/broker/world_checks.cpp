#include <fmt/format.h>

#include "shared/base/sha256.h"
#include "world.h"

namespace answermill::broker::test {

using namespace messages;

bool World::on_disk(JournalTable table, const std::string& key) const {
  const auto found = disk.find(static_cast<int>(table));
  return found != disk.end() && found->second.count(key) != 0;
}

bool World::send(const std::string& route, std::string bytes) {
  const auto frame = split_frame(bytes);
  const auto kind = static_cast<WorkKind>(frame->kind);
  if (kind == WorkKind::kLease) check_lease(*decode<Lease>(frame->body));
  if (kind == WorkKind::kWelcome) {
    const auto welcome = *decode<Welcome>(frame->body);
    for (const auto& adopted : welcome.adopted) {
      if (adopted.fence == 0) continue;
      if (adopted.fence <= last_fence_) fail("a fence repeated");
      last_fence_ = std::max(last_fence_, adopted.fence);
    }
  }
  if (kind == WorkKind::kBeatReply && decode<BeatReply>(frame->body)->revoked.empty() &&
      decode<BeatReply>(frame->body)->known && gone.count(route) == 0 && sent[route].size() > 3) {
    return true;  // probes to a stopped worker need no memory
  }
  return FakeSurroundings::send(route, std::move(bytes));
}

void World::check_lease(const Lease& lease) {
  if (lease.fence <= last_fence_) fail("a fence repeated");
  last_fence_ = std::max(last_fence_, lease.fence);
  if ((lease.fence >> 32U) != boot_) fail("a fence of another boot");
  if (lease.spec.durability == Durability::kStrict && !on_disk(JournalTable::kJob, lease.spec.id))
    fail("strict work handed out before its commit: " + lease.spec.id);
  if (lease.spec.stage == "record") check_record(lease);
}

// The completion of a group or a stream: exactly one, and it has everything.
void World::check_record(const Lease& lease) {
  const auto found = requests_.find(lease.spec.request_id);
  if (found == requests_.end()) return fail("a completion of nothing");
  Request& request = found->second;
  request.records.insert(lease.spec.id);
  if (request.records.size() > 1) fail("two completions of " + found->first);
  if (lease.spec.op == "document") {
    request.recorded = *decode<GroupProgress>(lease.attachment);
    check_parts(request, found->first);
  } else {
    const auto state = *decode<StreamState>(lease.attachment);
    request.recorded_state = state;
    for (const auto& event : state.events) {
      if (event.kind == StreamEventKind::kTerminal) see_terminal(request, event.data, "record");
    }
  }
}

// Every part was indexed exactly once, or is named among the failures.
void World::check_parts(const Request& request, const std::string& id) {
  std::map<std::string, std::int64_t> counted;
  for (const auto& counter : request.recorded->counters) counted[counter.name] = counter.value;
  std::map<std::string, std::string> failed;
  for (const auto& failure : request.recorded->failures) {
    if (!failed.emplace(failure.payload, failure.message).second) fail("failed twice: " + failure.payload);
    if (poisoned_.count(failure.payload) != 0 && failure.code == ErrorCode::kCrashed &&
        failure.message.find("signal 11 in " + failure.payload) == std::string::npos &&
        failure.message.find("made no progress") == std::string::npos &&
        failure.message.find("worker that had it died") == std::string::npos)
      fail("the cause is lost: " + failure.message);
  }
  for (const auto& [path, message] : failed) {
    if (hangs_.empty() && message.find("no progress") != std::string::npos)
      fail("a stopped worker was taken for a hung one: " + path);
  }
  if (failed.count(id) != 0) {
    if (!counted.empty()) fail("parts of a plan that failed");
    return;
  }
  for (int part = 0; part < request.parts; ++part) {
    const std::string path = fmt::format("{}.{}", id, part);
    const std::int64_t times = counted[path] + static_cast<std::int64_t>(failed.count(path));
    if (times != 1) fail(fmt::format("{} was done {} times", path, times));
  }
}

void World::publish(std::string_view topic, std::string bytes) {
  const auto frame = split_frame(bytes);
  switch (static_cast<EventKind>(frame->kind)) {
    case EventKind::kAck: {
      const auto ack = *decode<SubmitAck>(frame->body);
      const auto found = requests_.find(ack.request_id);
      if (found == requests_.end()) break;
      if (ack.code != ErrorCode::kOk) return fail("refused: " + ack.message);
      if (found->second.submit.job.durability == Durability::kStrict &&
          !on_disk(JournalTable::kRequest, "t\n" + ack.request_id))
        fail("acknowledged before the commit: " + ack.request_id);
      found->second.acknowledged = true;
      break;
    }
    case EventKind::kStream: {
      auto batch = *decode<StreamBatch>(frame->body);
      for (auto& [id, request] : requests_) {
        if (!request.submit.stream || request.submit.stream->id != batch.stream) continue;
        for (const auto& event : batch.events) {
          if (event.kind == StreamEventKind::kTerminal) see_terminal(request, event.data, "event");
        }
      }
      on_the_way_.push_back(std::move(batch));
      break;
    }
    case EventKind::kProgress:
      check_progress(*decode<GroupProgress>(frame->body));
      break;
    case EventKind::kFleet:
      fleet_ = *decode<FleetStatus>(frame->body);
      break;
    case EventKind::kSnapshot:
      FakeSurroundings::publish(topic, std::move(bytes));
      break;
    case EventKind::kBeacon:
      break;
  }
}

// What is shown as done is on disk.
void World::check_progress(const GroupProgress& progress) {
  const auto row = disk[static_cast<int>(JournalTable::kGroup)].find(progress.group);
  if (row == disk[static_cast<int>(JournalTable::kGroup)].end()) return;  // over: the row is gone first
  const GroupProgress durable = decode<StoredGroup>(row->second)->progress;
  if (progress.failures.size() > durable.failures.size()) fail("a failure shown before its commit");
  for (const auto& counter : progress.counters) {
    std::int64_t have = 0;
    for (const auto& kept : durable.counters) {
      if (kept.name == counter.name) have = kept.value;
    }
    if (counter.value > have) fail("progress shown before its commit: " + counter.name);
  }
}

void World::journal(std::vector<JournalOp> ops, std::uint64_t ticket) {
  if (ticket <= last_ticket_) fail("a ticket repeated");
  last_ticket_ = ticket;
  FakeSurroundings::journal(std::move(ops), ticket);
}

void World::check_end(Request& request, const std::string& id) {
  if (request.kind == Kind::kIngest && !request.cancelled && request.records.size() != 1)
    fail("no completion of " + id);
  if (request.kind != Kind::kQuestion) return;
  if (request.records.size() != 1) fail("not recorded: " + id);
  const auto terminal = decode<TerminalEvent>(request.terminal);
  if (!terminal) return fail("no terminal event of " + id);
  // What was read of a writer that both brokers lost is not known any more.
  if (hasty_) return;
  if (sha256_hex(request.mirror.text()) != terminal->sha256)
    fail(fmt::format("{} shows \"{}\", recorded was \"{}\"", id, request.mirror.text(),
                     request.recorded_state->text));
  if (request.recorded_state->text != request.mirror.text()) fail("recorded another text of " + id);
}

}  // namespace answermill::broker::test
