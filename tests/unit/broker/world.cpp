#include "world.h"

#include <fmt/format.h>

namespace answermill::broker::test {

using namespace messages;
using std::chrono::milliseconds;

namespace {
constexpr std::size_t kStoryLines = 120;
constexpr int kCalmSteps = 1500;
}  // namespace

World::World(std::uint32_t seed, int steps, unsigned faults) : random_(seed), steps_(steps), faults_(faults) {
  config_.retry_most = milliseconds(2000);
  config_.keep_finished = std::chrono::seconds(2);
  config_.jitter_seed = seed;
  config_.no_progress = std::chrono::seconds(30);
  core_ = std::make_unique<Core>(config_, *this, boot_, now_);
}

void World::note(std::string event) {
  story_.push_back(
      fmt::format("{:>7} ms  {}", (now_ - TimePoint(std::chrono::hours(1))) / milliseconds(1), event));
}

void World::fail(const std::string& what) {
  if (failure_.empty()) failure_ = what;
  note("FAILED: " + what);
}

std::string World::story() const {
  std::string lines;
  const std::size_t first = story_.size() > kStoryLines ? story_.size() - kStoryLines : 0;
  for (std::size_t i = first; i < story_.size(); ++i) lines += story_[i] + "\n";
  return lines;
}

void World::run() {
  for (int step = 0; step < steps_ && failure_.empty(); ++step) chaos_step();
  calm_ = true;
  note("calm");
  for (auto& [name, worker] : workers_) {
    if (worker.stopped) go_on(worker);
  }
  for (int step = 0; step < kCalmSteps && failure_.empty(); ++step) {
    if (drained()) {
      for (auto& [id, request] : requests_) check_end(request, id);
      return;
    }
    calm_step();
  }
  if (failure_.empty()) fail("not everything ended: " + what_remains());
}

void World::chaos_step() {
  if (requests_.size() < 8 && chance(20)) new_request();
  if (workers_.size() < 9 && chance(20)) spawn(kStages[random_() % kStages.size()]);
  for (int i = 0; i < 3; ++i) {
    if (SimWorker* worker = any_worker()) {
      turn(*worker);
      disturb(*worker);
    }
  }
  if (!requests_.empty() && chance(20)) {
    auto at = requests_.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(random_() % requests_.size()));
    look_after(at->second, at->first);
  }
  if (chance(5)) snapshot();
  if (!may(kLateCommit, 600)) commit();
  if (may(kRestart, 10)) restart_broker();
  for (auto left = chance(5) ? random_() % 2500 : random_() % 120; left > 0;) {
    const auto part = std::min<std::size_t>(left, 200);
    pass(milliseconds(part));
    left -= part;
  }
}

void World::calm_step() {
  for (const char* stage : kStages) {
    const bool has = std::any_of(workers_.begin(), workers_.end(), [&](const auto& w) {
      return w.second.stage == stage && !w.second.draining;
    });
    if (!has) spawn(stage);
  }
  std::vector<std::string> names;
  for (const auto& [name, worker] : workers_) names.push_back(name);
  for (const auto& name : names) {
    const auto worker = workers_.find(name);
    if (worker == workers_.end()) continue;
    turn(worker->second);
    if (worker->second.stopped) continue;
    beat(worker->second);
    deliver(worker->second, SIZE_MAX);
  }
  for (auto& [id, request] : requests_) look_after(request, id);
  commit();
  pass(milliseconds(250));
}

void World::pass(milliseconds time) {
  now_ += time;
  for (auto& [name, worker] : workers_) live(worker);
  core_->on_tick(now_);
  // Frontends hear of a new boot every second.
  for (auto& [id, request] : requests_) {
    if (now_ - booted_ > milliseconds(1200)) resubmit(request, id);
  }
  while (!on_the_way_.empty()) {
    const auto batch = std::move(on_the_way_.front());
    on_the_way_.pop_front();
    if (!may(kLossyEvents, 150)) on_batch(batch);
  }
}

void World::commit() {
  const std::size_t count = calm_ || !may(kLateCommit, 300) ? SIZE_MAX : random_() % (waiting.size() + 1);
  if (const auto ticket = FakeSurroundings::commit(count)) durable_ = ticket;
  if (durable_ == told_ || may(kLateCommit, 200)) return;
  told_ = durable_;
  core_->on_committed(told_, now_);
}

void World::restart_broker() {
  // Some of what waits may have reached the disk without anybody being told.
  FakeSurroundings::commit(random_() % (waiting.size() + 1));
  waiting.clear();
  note(fmt::format("broker killed, boot {}", boot_ + 1));
  on_the_way_.clear();
  told_ = durable_ = last_ticket_ = 0;
  for (auto& [name, worker] : workers_) {
    sent[worker.route].clear();
    worker.outbox.clear();
  }
  hasty_ = hasty_ || (boot_ > 1 && now_ - booted_ < config_.hold);
  booted_ = now_;
  core_ = std::make_unique<Core>(config_, *this, ++boot_, now_);
  core_->recover(rows());
}

bool World::drained() {
  for (const auto& [id, request] : requests_) {
    if (!request.acknowledged) return false;
    if (request.kind == Kind::kQuestion && !request.mirror.finished()) return false;
  }
  for (const auto table : {JournalTable::kJob, JournalTable::kGroup, JournalTable::kStream}) {
    if (!disk[static_cast<int>(table)].empty()) return false;
  }
  if (!waiting.empty() || fleet_.open_streams != 0 || fleet_.open_groups != 0) return false;
  return std::all_of(fleet_.workers.begin(), fleet_.workers.end(),
                     [](const auto& w) { return w.busy == 0; }) &&
         std::all_of(fleet_.stages.begin(), fleet_.stages.end(), [](const auto& s) { return s.queued == 0; });
}

std::string World::what_remains() {
  std::string text = fmt::format("{} uncommitted, {} open streams, {} open groups", waiting.size(),
                                 fleet_.open_streams, fleet_.open_groups);
  for (const auto& [id, request] : requests_) {
    if (!request.acknowledged) text += ", " + id + " not acknowledged";
    if (request.kind == Kind::kQuestion && !request.mirror.finished()) text += ", " + id + " not finished";
  }
  for (const auto& [id, row] : disk[static_cast<int>(JournalTable::kJob)]) {
    const auto stored = *decode<StoredJob>(row);
    text += fmt::format(", job {} {} {} attempt {}", id, stored.spec.op, stored.spec.payload, stored.attempt);
  }
  for (const auto& [id, row] : disk[static_cast<int>(JournalTable::kGroup)]) text += ", group " + id;
  for (const auto& [id, row] : disk[static_cast<int>(JournalTable::kStream)]) text += ", stream " + id;
  for (const auto& worker : fleet_.workers) {
    if (worker.busy > 0) text += fmt::format(", {} has {}", worker.worker, worker.busy);
  }
  for (const auto& stage : fleet_.stages) {
    if (stage.queued > 0) text += fmt::format(", {} wait for {}", stage.queued, stage.stage);
  }
  return text;
}

}  // namespace answermill::broker::test
