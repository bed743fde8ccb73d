#include <gtest/gtest.h>

#include <random>

#include "core_fixture.h"

namespace answermill::broker {
namespace {

using namespace messages;
using std::chrono::milliseconds;

// A world of workers that die, lose messages and repeat results, a journal that commits late, and a broker
// that is killed now and then. Every acknowledged request must run its chain extract → embed → index to
// exactly one end.
class World {
 public:
  explicit World(std::uint32_t seed) : random_(seed) {}

  void run() {
    for (std::size_t i = 0; i < kRequests; ++i) submit(static_cast<int>(i));
    for (int step = 0; step < kSteps; ++step) one_step();
    for (int step = 0; step < 4000 && !drained(); ++step) calm_step();
  }

  bool drained() const {
    const auto jobs = bench_.out.disk.find(static_cast<int>(JournalTable::kJob));
    return acknowledged_.size() == kRequests && (jobs == bench_.out.disk.end() || jobs->second.empty()) &&
           held_.empty() && bench_.out.waiting.empty();
  }

  // Accepted results of the last stage, per request.
  std::map<std::string, int> ends;
  bool fence_repeated = false;

 private:
  static constexpr std::size_t kRequests = 12;
  static constexpr int kSteps = 500;

  struct Held {
    std::string worker;
    Lease lease;
    bool sent = false;
  };

  bool chance(int percent) { return static_cast<int>(random_() % 100) < percent; }

  void submit(int i) {
    auto submit = submission("r" + std::to_string(i), "extract", Durability::kStrict);
    bench_.submit(submit);
  }

  void spawn() {
    for (const char* stage : {"extract", "embed", "index"}) {
      if (alive_.count(stage) != 0) continue;
      const std::string name = std::string(stage) + std::to_string(++born_);
      alive_[stage] = name;
      bench_.hello(name, stage, 2);
    }
  }

  void kill(const std::string& stage) {
    const auto found = alive_.find(stage);
    if (found == alive_.end()) return;
    bench_.out.gone.insert(found->second);
    held_.erase(
        std::remove_if(held_.begin(), held_.end(), [&](const Held& h) { return h.worker == found->second; }),
        held_.end());
    alive_.erase(found);
  }

  void collect() {
    for (const auto& ack : bench_.out.events<SubmitAck>(EventKind::kAck)) {
      if (ack.code == ErrorCode::kOk) acknowledged_.insert(ack.request_id);
    }
    bench_.out.published.clear();
    for (const auto& [stage, name] : alive_) {
      while (auto lease = bench_.lease(name)) {
        fence_repeated = !fences_.insert(lease->fence).second || fence_repeated;
        held_.push_back({name, std::move(*lease), false});
      }
      while (const auto committed = bench_.committed(name)) settle(name, *committed);
      while (bench_.out.take<Revoke>(name, WorkKind::kRevoke)) {
      }
    }
  }

  void settle(const std::string& worker, const Committed& committed) {
    const auto found = std::find_if(held_.begin(), held_.end(), [&](const Held& h) {
      return h.worker == worker && h.lease.spec.id == committed.job && h.lease.fence == committed.fence;
    });
    if (found == held_.end()) return;
    if (committed.accepted && found->lease.spec.stage == "index") ++ends[found->lease.spec.request_id];
    held_.erase(found);
  }

  void finish(Held& held) {
    Outcome outcome;
    const auto& stage = held.lease.spec.stage;
    if (stage != "index") {
      JobSpec next;
      next.stage = stage == "extract" ? "embed" : "index";
      outcome.followups = {next};
    }
    held.sent = true;
    bench_.result(held.worker, held.lease, outcome);
    if (chance(20)) bench_.result(held.worker, held.lease, outcome);
  }

  void restart_broker() {
    bench_.restart(++boot_);
    for (auto& [stage, name] : alive_) {
      std::vector<HeldJob> held;
      for (const auto& job : held_) {
        if (job.worker == name)
          held.push_back({job.lease.spec, job.lease.attempt, job.lease.fence, true, job.sent, {}});
      }
      bench_.hello(name, stage, 2, held);
      adopt(name);
    }
    for (std::size_t i = 0; i < kRequests; ++i)
      submit(static_cast<int>(i));  // frontends resend what was not acknowledged
  }

  void adopt(const std::string& name) {
    const auto welcome = bench_.out.take<Welcome>(name, WorkKind::kWelcome);
    for (const auto& adopted : welcome->adopted) {
      const auto found = std::find_if(held_.begin(), held_.end(), [&](const Held& h) {
        return h.worker == name && h.lease.spec.id == adopted.job;
      });
      if (found == held_.end()) continue;
      if (adopted.fence == 0) {
        // Done before the broker died, or somebody else's: dropped. Done ones were counted by nobody yet.
        if (found->sent && found->lease.spec.stage == "index") ++ends[found->lease.spec.request_id];
        held_.erase(found);
      } else {
        found->lease.fence = adopted.fence;
        fence_repeated = !fences_.insert(adopted.fence).second || fence_repeated;
        if (found->sent) finish(*found);
      }
    }
  }

  void one_step() {
    spawn();
    collect();
    if (!held_.empty() && chance(70)) finish(held_[random_() % held_.size()]);
    if (chance(60)) bench_.commit();
    collect();
    if (chance(4)) kill(chance(50) ? "extract" : chance(50) ? "embed" : "index");
    if (chance(2)) restart_broker();
    beat();
    bench_.pass(milliseconds(random_() % 400));
  }

  void calm_step() {
    spawn();
    collect();
    for (std::size_t i = 0; i < held_.size(); ++i) finish(held_[i]);
    bench_.commit();
    collect();
    for (std::size_t i = 0; i < kRequests; ++i) submit(static_cast<int>(i));
    beat();
    bench_.pass(milliseconds(300));
  }

  void beat() {
    for (const auto& [stage, name] : alive_) {
      Beat beat;
      beat.worker = name;
      beat.slots = 2;
      for (const auto& job : held_) {
        if (job.worker == name)
          beat.jobs.push_back({job.lease.spec.id, job.lease.fence, true, 0, ++activity_, 0});
      }
      bench_.core->on_work_frame(name, encode_frame(WorkKind::kBeat, beat), bench_.now);
    }
  }

  static CoreConfig config() {
    CoreConfig config;
    config.max_crashes = 1000;  // this world kills more than any page deserves
    return config;
  }

  std::mt19937 random_;
  Bench bench_{1, config()};
  std::map<std::string, std::string> alive_;
  std::vector<Held> held_;
  std::set<std::string> acknowledged_;
  std::set<std::uint64_t> fences_;
  int born_ = 0;
  std::uint32_t boot_ = 1;
  std::uint64_t activity_ = 0;
};

TEST(CoreProperty, EveryAcceptedRequestEndsExactlyOnce) {
  for (std::uint32_t seed = 1; seed <= 40; ++seed) {
    World world(seed);
    world.run();
    ASSERT_TRUE(world.drained()) << "seed " << seed;
    EXPECT_FALSE(world.fence_repeated) << "seed " << seed;
    for (const auto& [request, count] : world.ends) EXPECT_LE(count, 1) << "seed " << seed << " " << request;
  }
}

}  // namespace
}  // namespace answermill::broker
