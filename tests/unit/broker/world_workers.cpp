#include <fmt/format.h>

#include "world.h"

namespace answermill::broker::test {

using namespace messages;

void World::spawn(const std::string& stage) {
  SimWorker worker;
  worker.name = fmt::format("{}{}", stage, ++born_);
  worker.route = worker.name;
  worker.stage = stage;
  worker.slots = 1 + random_() % 3;
  note("spawn " + worker.name);
  hello(workers_[worker.name] = worker);
}

void World::remove(const std::string& name) {
  sent.erase(workers_.at(name).route);
  workers_.erase(name);
}

World::SimWorker* World::any_worker() {
  if (workers_.empty()) return nullptr;
  auto at = workers_.begin();
  std::advance(at, static_cast<std::ptrdiff_t>(random_() % workers_.size()));
  return &at->second;
}

void World::hello(SimWorker& worker) {
  Hello hello;
  hello.worker = worker.name;
  hello.stage = worker.stage;
  hello.slots = worker.slots;
  for (const auto& [id, work] : worker.held) {
    HeldJob held{work.lease.spec, work.lease.attempt, work.lease.fence, work.started, work.finished, {}};
    if (!work.lease.spec.stream.empty()) held.stream = work.log.state();
    hello.held.push_back(std::move(held));
  }
  worker.boot = 0;
  ++worker.hellos;
  worker.outbox.push_back(encode_frame(WorkKind::kHello, hello));
}

// What a stopped process would not do.
void World::turn(SimWorker& worker) {
  if (worker.stopped) return;
  read(worker);
  work(worker);
  if (worker.stopped) return;
  if (chance(40)) beat(worker);
  deliver(worker, 1 + random_() % 4);
}

void World::stop(SimWorker& worker, bool hung) {
  note((hung ? "hang " : "stop ") + worker.name);
  worker.stopped = true;
  worker.hung = hung;
  worker.since = now_;
}

void World::go_on(SimWorker& worker) {
  worker.stopped = worker.hung = false;
  if (gone.count(worker.route) == 0) return;
  sent.erase(worker.route);
  worker.route += "'";
}

// A process that is not stopped beats, and one whose I/O thread is stopped as well loses its connection.
void World::live(SimWorker& worker) {
  constexpr std::chrono::seconds kHangs{3};
  constexpr std::chrono::milliseconds kBeat{500};
  if (!worker.stopped) {
    if (now_ - worker.said_at < kBeat) return;
    beat(worker);
    deliver(worker, SIZE_MAX);
  } else if (worker.hung) {
    if (now_ - worker.since > kHangs) go_on(worker);
  } else if (now_ - worker.since > config_.unanswered) {
    gone.insert(worker.route);
  }
}

void World::deliver(SimWorker& worker, std::size_t count) {
  const std::string route = worker.route;
  while (count-- > 0 && !worker.outbox.empty()) {
    const std::string frame = std::move(worker.outbox.front());
    worker.outbox.pop_front();
    worker.said_at = now_;  // a turn without a word is none: live() sees to the beat that is due
    core_->on_work_frame(route, frame, now_);
  }
}

void World::read(SimWorker& worker) {
  const auto frames = std::exchange(sent[worker.route], {});
  for (const auto& bytes : frames) {
    const auto frame = split_frame(bytes);
    switch (static_cast<WorkKind>(frame->kind)) {
      case WorkKind::kLease:
        if (may(kLostLease, 20)) {
          note("lease lost on the way to " + worker.name);
        } else {
          take_lease(worker, *decode<Lease>(frame->body));
        }
        break;
      case WorkKind::kWelcome:
        on_welcome(worker, *decode<Welcome>(frame->body));
        break;
      case WorkKind::kCommitted: {
        const auto committed = *decode<Committed>(frame->body);
        const auto found = worker.held.find(committed.job);
        if (found != worker.held.end() && found->second.lease.fence == committed.fence)
          worker.held.erase(found);
        break;
      }
      case WorkKind::kRevoke: {
        const auto revoke = *decode<Revoke>(frame->body);
        const auto found = worker.held.find(revoke.job);
        if (found != worker.held.end() && found->second.lease.fence == revoke.fence) worker.held.erase(found);
        break;
      }
      case WorkKind::kBeatReply: {
        const auto reply = *decode<BeatReply>(frame->body);
        for (const auto& revoke : reply.revoked) {
          const auto found = worker.held.find(revoke.job);
          if (found != worker.held.end() && found->second.lease.fence == revoke.fence)
            worker.held.erase(found);
        }
        if (!reply.known || (worker.boot != 0 && reply.boot != worker.boot)) hello(worker);
        break;
      }
      case WorkKind::kResend: {
        const auto resend = *decode<Resend>(frame->body);
        const auto found = worker.held.find(resend.job);
        if (found == worker.held.end() || resend.after_seq >= found->second.log.next_seq()) break;
        const StreamBatch batch{resend.stream, found->second.lease.fence,
                                found->second.log.read(resend.after_seq, SIZE_MAX)};
        core_->on_event_frame(kTopic, encode_frame(EventKind::kStream, batch), now_);
        break;
      }
      default:
        fail("the broker said what only workers say");
    }
  }
}

void World::take_lease(SimWorker& worker, Lease lease) {
  Work work;
  work.log = streams::StreamLog(lease.stream.stream.empty() ? StreamState{lease.spec.stream, 0, 1, {}, {}}
                                                            : lease.stream);
  work.log.set_epoch(lease.fence);
  work.lease_seq = work.log.next_seq();
  work.lease = std::move(lease);
  note(fmt::format("{} takes {} fence {:x} ({} {})", worker.name, work.lease.spec.id, work.lease.fence,
                   work.lease.spec.op, work.lease.spec.payload));
  worker.held.insert_or_assign(work.lease.spec.id, std::move(work));
  const auto busy = std::count_if(worker.held.begin(), worker.held.end(),
                                  [](const auto& held) { return !held.second.finished; });
  // After a second hello a lease may cross with its revocation.
  if (worker.hellos == 1 && static_cast<std::uint32_t>(busy) > worker.slots)
    fail(worker.name + " has more jobs than slots");
}

void World::on_welcome(SimWorker& worker, const Welcome& welcome) {
  worker.boot = welcome.boot;
  for (const auto& adopted : welcome.adopted) {
    const auto found = worker.held.find(adopted.job);
    if (found == worker.held.end()) continue;
    if (adopted.fence == 0) {
      note(fmt::format("{} drops {}", worker.name, adopted.job));
      worker.held.erase(found);
      continue;
    }
    note(fmt::format("{} keeps {} as {:x}", worker.name, adopted.job, adopted.fence));
    found->second.lease.fence = adopted.fence;
    found->second.log.set_epoch(adopted.fence);
    if (found->second.finished) send_result(worker, found->second);
  }
}

void World::work(SimWorker& worker) {
  if (worker.held.empty() || !(calm_ || chance(60))) return;
  std::vector<std::string> ids;
  for (const auto& [id, work] : worker.held) ids.push_back(id);
  if (!calm_) ids = {ids[random_() % ids.size()]};
  for (const auto& id : ids) {
    Work& work = worker.held.at(id);
    if (work.finished) {
      if (may(kRepeat, 200)) send_result(worker, work);
      continue;
    }
    work.started = true;
    ++work.activity;
    if (work.lease.spec.op == "pages" && hangs_.count(work.lease.spec.payload) != 0) {
      if (chance(50)) beat(worker);
      deliver(worker, SIZE_MAX);
      stop(worker, true);
      return;
    }
    if (work.lease.spec.stage == "generate" && !work.lease.spec.stream.empty()) emit(work);
    if (calm_ || chance(50)) finish(worker, work, outcome_of(work));
  }
  if (may(kRepeat, 50) && !worker.said.empty()) {
    const auto& old = worker.said[random_() % worker.said.size()];
    worker.outbox.push_back(encode_frame(WorkKind::kResult, old));
  }
}

// Each lease writes words of its own, so that a text mixed from two writers shows.
void World::emit(Work& work) {
  std::vector<StreamEvent> events;
  const std::size_t count = 1 + random_() % 3;
  for (std::size_t i = 0; i < count; ++i) {
    events.push_back(work.log.append_token(fmt::format("[{:x}.{}]", work.lease.fence, work.log.next_seq())));
  }
  if (may(kLossyEvents, 200)) return;
  const StreamBatch batch{work.lease.spec.stream, work.lease.fence, std::move(events)};
  core_->on_event_frame(kTopic, encode_frame(EventKind::kStream, batch), now_);
}

Outcome World::outcome_of(const Work& work) {
  Outcome outcome;
  const auto& spec = work.lease.spec;
  if (spec.stage != "record" && poisoned_.count(spec.payload) != 0) {
    outcome.status = OutcomeStatus::kFailed;
    outcome.code = ErrorCode::kCrashed;
    outcome.retryable = outcome.crashed = true;
    outcome.message = "signal 11 in " + spec.payload;
    return outcome;
  }
  if (may(kFail, 60)) {
    outcome.status = OutcomeStatus::kFailed;
    outcome.code = ErrorCode::kUpstream;
    outcome.retryable = true;
    outcome.message = "try again";
    return outcome;
  }
  if (may(kFail, 10)) {
    outcome.status = OutcomeStatus::kFailed;
    outcome.code = ErrorCode::kDamaged;
    outcome.message = "hopeless";
    return outcome;
  }
  if (may(kDrain, 30)) {
    outcome.status = OutcomeStatus::kReleased;
    return outcome;
  }
  return done(work);
}

Outcome World::done(const Work& work) {
  Outcome outcome;
  const auto& spec = work.lease.spec;
  const auto follow = [&](const char* stage, const char* op, const std::string& payload) {
    JobSpec next;
    next.stage = stage;
    next.op = op;
    next.payload = payload;
    next.units = 1;
    if (std::string(stage) == "index") next.routing_key = "collection";
    outcome.followups.push_back(next);
  };
  if (spec.op == "plan") {
    const auto request = requests_.find(spec.request_id);
    for (int part = 0; part < request->second.parts; ++part)
      follow("extract", "pages", fmt::format("{}.{}", spec.payload, part));
  } else if (spec.op == "pages") {
    follow("embed", "chunks", spec.payload);
  } else if (spec.op == "chunks") {
    follow("index", "upsert", spec.payload);
  } else if (spec.op == "upsert") {
    outcome.counters.push_back({spec.payload, 1});
  } else if (spec.op == "query") {
    follow("index", "search", spec.payload);
  } else if (spec.op == "search") {
    follow("generate", "answer", spec.payload);
  } else if (spec.op == "answer") {
    outcome.ends_stream = true;
  }
  return outcome;
}

void World::finish(SimWorker& worker, Work& work, Outcome outcome) {
  if (!work.lease.spec.stream.empty()) outcome.events = work.log.read(work.lease_seq - 1, SIZE_MAX);
  work.outcome = std::move(outcome);
  work.finished = true;
  send_result(worker, work);
}

void World::send_result(SimWorker& worker, const Work& work) {
  note(fmt::format("{} finishes {} fence {:x} status {}", worker.name, work.lease.spec.id, work.lease.fence,
                   static_cast<int>(work.outcome.status)));
  JobResult result{worker.name, work.lease.spec.id, work.lease.attempt, work.lease.fence, work.outcome};
  worker.outbox.push_back(encode_frame(WorkKind::kResult, result));
  worker.said.push_back(std::move(result));
}

void World::beat(SimWorker& worker) {
  Beat beat;
  beat.worker = worker.name;
  beat.boot = worker.boot;
  beat.slots = worker.slots;
  beat.draining = worker.draining;
  for (auto& [id, work] : worker.held) {
    beat.jobs.push_back({id, work.lease.fence, work.started, 0, ++work.activity,
                         work.lease.spec.stream.empty() ? 0 : work.log.next_seq()});
  }
  worker.outbox.push_back(encode_frame(WorkKind::kBeat, beat));
}

void World::disturb(SimWorker& worker) {
  const std::string name = worker.name;
  if (worker.stopped) {
    if (!worker.hung && chance(20)) go_on(worker);
  } else if (may(kKill, 20)) {
    note("kill " + name);
    gone.insert(worker.route);
    if (chance(50)) deliver(worker, random_() % 3);  // its last words
    remove(name);
  } else if (may(kStop, 15)) {
    stop(worker, false);
  } else if (may(kReconnect, 10)) {
    note("reconnect " + name);
    gone.insert(worker.route);
    sent.erase(worker.route);
    worker.route += "'";
  } else if (may(kDrain, 8)) {
    note("drain " + name);
    worker.draining = true;
    beat(worker);
    for (auto& [id, work] : worker.held) {
      if (work.started || work.finished) continue;
      Outcome released;
      released.status = OutcomeStatus::kReleased;
      finish(worker, work, released);
    }
  } else if (worker.draining && worker.held.empty()) {
    worker.outbox.push_back(encode_frame(WorkKind::kGoodbye, Goodbye{name}));
    deliver(worker, SIZE_MAX);
    remove(name);
  }
}

}  // namespace answermill::broker::test
