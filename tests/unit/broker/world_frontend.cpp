#include <fmt/format.h>

#include "world.h"

namespace answermill::broker::test {

using namespace messages;

namespace {

std::string stream_of(std::size_t number) {
  return std::string(kTopic) + "-" + std::string(16, static_cast<char>('a' + number));
}

}  // namespace

Submit World::make(Kind kind, const std::string& id, int) {
  Submit submit;
  switch (kind) {
    case Kind::kIngest: {
      submit = submission(id, "extract", Durability::kStrict);
      submit.job.op = "plan";
      submit.job.priority = Priority::kBulk;
      GroupSpec group;
      group.id = "g" + id;
      group.topic = kTopic;
      group.completion.stage = "record";
      group.completion.op = "document";
      group.completion.request_id = id;
      group.completion.tenant = "t";
      submit.group = group;
      break;
    }
    case Kind::kQuestion:
      submit = question(id, stream_of(requests_.size()));
      submit.job.stage = "embed";
      submit.job.op = "query";
      break;
    case Kind::kStrict:
      submit = submission(id, "index", Durability::kStrict);
      submit.job.routing_key = "other";
      break;
    case Kind::kRelaxed:
      submit = submission(id, "embed", Durability::kRelaxed);
      break;
  }
  submit.job.payload = id;
  if (may(kDeadline, 200)) submit.job.deadline_ms = 2000 + static_cast<std::int64_t>(random_() % 8000);
  return submit;
}

void World::new_request() {
  const std::string id = fmt::format("r{}", requests_.size());
  Request request;
  constexpr std::array kKinds = {Kind::kIngest,   Kind::kIngest, Kind::kQuestion,
                                 Kind::kQuestion, Kind::kStrict, Kind::kRelaxed};
  request.kind = kKinds[random_() % kKinds.size()];
  request.parts = 1 + static_cast<int>(random_() % 3);
  request.submit = make(request.kind, id, request.parts);
  if (request.submit.stream) request.mirror = streams::StreamLog(request.submit.stream->id);
  if (may(kPoison, 150)) {
    poisoned_.insert(request.kind == Kind::kIngest && chance(70) ? id + ".0" : id);
    note("poison in " + id);
  }
  if (request.kind == Kind::kIngest && may(kHang, 100)) {
    hangs_.insert(id + ".0");
    note(id + ".0 hangs its worker");
  }
  give(requests_[id] = std::move(request));
}

void World::give(Request& request) {
  if (!request.acknowledged) request.boot = boot_;
  Submit submit = request.submit;
  note("submit " + submit.job.request_id + (submit.shown ? " again" : ""));
  core_->on_submit_frame(encode_frame(SubmitKind::kSubmit, submit), now_);
}

// What a frontend does for a request now and then: resend, resubmit after a boot, heal, cancel.
void World::look_after(Request& request, const std::string& id) {
  if (!request.acknowledged) {
    give(request);
    return;
  }
  if (may(kRepeat, 100)) give(request);
  if (request.kind == Kind::kQuestion && !request.mirror.finished()) {
    resubmit(request, id);
    heal(request);
  }
  if (may(kCancel, 60) && (request.kind == Kind::kQuestion || request.kind == Kind::kIngest)) {
    note("cancel " + id);
    request.cancelled = true;
  }
  if (!request.cancelled || (request.kind == Kind::kQuestion && request.mirror.finished())) return;
  Cancel cancel{kReply, "t", {}, {}};
  if (request.kind == Kind::kQuestion) cancel.stream = request.submit.stream->id;
  if (request.kind == Kind::kIngest) cancel.group = request.submit.group->id;
  core_->on_submit_frame(encode_frame(SubmitKind::kCancel, cancel), now_);
}

void World::resubmit(Request& request, const std::string& id) {
  if (request.kind != Kind::kQuestion || request.mirror.finished() || request.boot == boot_) return;
  if (!request.acknowledged) return;
  Submit again = request.submit;
  again.shown = request.mirror.state();
  request.boot = boot_;
  note(fmt::format("resubmit {} seq {} epoch {:x}", id, request.mirror.last_seq(), request.mirror.epoch()));
  core_->on_submit_frame(encode_frame(SubmitKind::kSubmit, again), now_);
}

void World::see_terminal(Request& request, const std::string& data, const char* where) {
  if (request.terminal.empty()) {
    request.terminal = data;
    note(fmt::format("terminal of {} by {}", request.submit.job.request_id, where));
    for (const auto& [id, row] : disk[static_cast<int>(JournalTable::kJob)]) {
      const auto stored = *decode<StoredJob>(row);
      if (stored.spec.stream == request.submit.stream->id) fail("a terminal event before its commit");
    }
  } else if (request.terminal != data) {
    fail("two different terminal events for " + request.submit.job.request_id);
  }
}

void World::on_batch(const StreamBatch& batch) {
  for (auto& [id, request] : requests_) {
    if (!request.submit.stream || request.submit.stream->id != batch.stream) continue;
    for (const auto& event : batch.events) {
      note(fmt::format("{} sees {}..{} kind {} at {} epoch {:x}", id, event.first_seq, event.last_seq,
                       static_cast<int>(event.kind), request.mirror.last_seq(), batch.epoch));
      if (request.mirror.apply(batch.epoch, event) == streams::StreamLog::Applied::kGap) {
        heal(request);
        break;
      }
    }
  }
}

void World::take_state(Request& request, const StreamState& state, const char* where) {
  for (const auto& event : state.events) {
    if (event.kind == StreamEventKind::kTerminal) see_terminal(request, event.data, where);
  }
  request.mirror.merge(state);
}

void World::heal(Request& request) {
  const Replay replay{1, request.submit.stream->id, request.mirror.last_seq()};
  const auto bytes = core_->on_query_frame(encode_frame(QueryKind::kReplay, replay));
  const auto replayed = *decode<Replayed>(split_frame(bytes)->body);
  if (replayed.known) {
    take_state(request, replayed.state, "replay");
  } else if (request.boot == boot_ && request.acknowledged && !request.records.empty()) {
    // The catalog has it.
    request.mirror = streams::StreamLog(*request.recorded_state);
  }
}

void World::snapshot() {
  published.clear();
  core_->on_subscription(std::string(kNoncePrefix) + "nnnnnnnnnnnnnnnn" + kTopic, now_);
  for (const auto& snapshot : events<Snapshot>(EventKind::kSnapshot)) {
    for (const auto& state : snapshot.streams) {
      for (auto& [id, request] : requests_) {
        if (request.submit.stream && request.submit.stream->id == state.stream)
          take_state(request, state, "snapshot");
      }
    }
    for (const auto& progress : snapshot.groups) check_progress(progress);
  }
}

}  // namespace answermill::broker::test
