// A whole fleet around one Core, in memory and on one seed: frontends that resend and resubmit, workers that
// crash, stall, lose and repeat messages, a journal that commits late or in part, a broker that is killed and
// recovers from what was committed. Every promise of the queue is checked at every message the Core sends.
//
// The model is the set of unique paths: each part of each request has one, and its index job counts it by
// name, so that the journaled counters tell whether a part was done twice or not at all.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "core_fixture.h"
#include "shared/streams/stream_log.h"

namespace answermill::broker::test {

// What may go wrong; a failing seed is run again without each to name those it needs.
enum Fault : unsigned {
  kKill = 1U << 0U,
  kStop = 1U << 1U,
  kRestart = 1U << 2U,
  kCancel = 1U << 3U,
  kDeadline = 1U << 4U,
  kFail = 1U << 5U,
  kPoison = 1U << 6U,
  kRepeat = 1U << 7U,
  kLateCommit = 1U << 8U,
  kLossyEvents = 1U << 9U,
  kReconnect = 1U << 10U,
  kDrain = 1U << 11U,
  kLostLease = 1U << 12U,
  kHang = 1U << 13U,
};
inline constexpr unsigned kEveryFault = (1U << 14U) - 1;

class World : public FakeSurroundings {
 public:
  World(std::uint32_t seed, int steps, unsigned faults);
  // Runs the steps, then lets the fleet recover until everything is over.
  void run();
  const std::string& failure() const { return failure_; }  // empty when every promise held
  std::string story() const;                               // the last events, one a line

  // What the Core asks for, checked.
  bool send(const std::string& route, std::string frame) override;
  void publish(std::string_view topic, std::string frame) override;
  void journal(std::vector<JournalOp> ops, std::uint64_t ticket) override;

 private:
  enum class Kind { kIngest, kQuestion, kStrict, kRelaxed };

  struct Request {
    Kind kind = Kind::kStrict;
    messages::Submit submit;
    int parts = 0;
    bool acknowledged = false;
    bool cancelled = false;
    std::uint64_t boot = 0;  // the broker it was last given to
    // Questions: what a viewer has.
    streams::StreamLog mirror{kStream};
    std::string terminal;  // as first seen
    std::set<std::string> records;
    std::optional<messages::StreamState> recorded_state;
    std::optional<messages::GroupProgress> recorded;
  };

  struct Work {
    messages::Lease lease;
    bool started = false;
    bool finished = false;
    std::uint64_t activity = 0;
    messages::Outcome outcome;
    streams::StreamLog log{kStream};
    std::uint64_t lease_seq = 1;
  };

  struct SimWorker {
    std::string name;
    std::string route;
    std::string stage;
    std::uint32_t slots = 1;
    std::uint64_t boot = 0;
    int hellos = 0;
    bool stopped = false;  // its loop does not turn
    bool hung = false;     // in some work, while its I/O thread answers
    TimePoint since{};     // when it stopped
    TimePoint said_at{};
    bool draining = false;
    std::map<std::string, Work> held;
    std::deque<std::string> outbox;  // frames on their way to the broker
    std::vector<messages::JobResult> said;
  };

  // world.cpp
  bool chance(int percent) { return static_cast<int>(random_() % 100) < percent; }
  bool may(Fault fault, int permille) {
    return calm_ ? false : (faults_ & fault) != 0 && static_cast<int>(random_() % 1000) < permille;
  }
  void note(std::string event);
  void fail(const std::string& what);
  void chaos_step();
  void calm_step();
  void pass(std::chrono::milliseconds time);
  void commit();
  void restart_broker();
  bool drained();
  std::string what_remains();

  // world_workers.cpp
  void spawn(const std::string& stage);
  void hello(SimWorker& worker);
  void turn(SimWorker& worker);
  void read(SimWorker& worker);
  void take_lease(SimWorker& worker, messages::Lease lease);
  void on_welcome(SimWorker& worker, const messages::Welcome& welcome);
  void work(SimWorker& worker);
  void emit(Work& work);
  void finish(SimWorker& worker, Work& work, messages::Outcome outcome);
  messages::Outcome outcome_of(const Work& work);
  messages::Outcome done(const Work& work);
  void send_result(SimWorker& worker, const Work& work);
  void beat(SimWorker& worker);
  void deliver(SimWorker& worker, std::size_t count);
  void disturb(SimWorker& worker);
  void stop(SimWorker& worker, bool hung);
  void go_on(SimWorker& worker);
  void live(SimWorker& worker);
  void remove(const std::string& name);
  SimWorker* any_worker();

  // world_frontend.cpp
  void new_request();
  messages::Submit make(Kind kind, const std::string& id, int parts);
  void give(Request& request);
  void look_after(Request& request, const std::string& id);
  void on_batch(const messages::StreamBatch& batch);
  void see_terminal(Request& request, const std::string& data, const char* where);
  void take_state(Request& request, const messages::StreamState& state, const char* where);
  void heal(Request& request);
  void resubmit(Request& request, const std::string& id);
  void snapshot();

  // world_checks.cpp
  void check_lease(const messages::Lease& lease);
  void check_record(const messages::Lease& lease);
  void check_progress(const messages::GroupProgress& progress);
  void check_end(Request& request, const std::string& id);
  void check_parts(const Request& request, const std::string& id);
  bool on_disk(JournalTable table, const std::string& key) const;

  std::mt19937 random_;
  int steps_;
  unsigned faults_;
  bool calm_ = false;
  CoreConfig config_;
  TimePoint now_{std::chrono::hours(1)};
  std::unique_ptr<Core> core_;
  std::uint32_t boot_ = 1;
  TimePoint booted_ = now_;
  bool hasty_ = false;         // the broker died again before it had heard from everybody
  std::uint64_t told_ = 0;     // durable, announced
  std::uint64_t durable_ = 0;  // durable, perhaps not announced yet
  std::uint64_t last_ticket_ = 0;
  std::uint64_t last_fence_ = 0;
  std::map<std::string, SimWorker> workers_;  // by name
  int born_ = 0;
  std::map<std::string, Request> requests_;
  std::set<std::string> poisoned_;
  std::set<std::string> hangs_;  // parts whose extraction hangs its worker's loop, always
  std::deque<messages::StreamBatch> on_the_way_;
  messages::FleetStatus fleet_;
  std::vector<std::string> story_;
  std::string failure_;
};

inline constexpr std::array<const char*, 5> kStages = {"extract", "embed", "index", "generate", "record"};

}  // namespace answermill::broker::test
