#include "frontend/command/fleet/fleet_fsm.h"

#include <gtest/gtest.h>

namespace answermill::command {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto kSpawn = FleetActionKind::kSpawn;
constexpr auto kTerminate = FleetActionKind::kTerminate;
constexpr auto kKill = FleetActionKind::kKill;
constexpr auto kFinished = FleetActionKind::kFinished;

const Clock::time_point kBegin{};

TEST(Backoff, DoublesToItsLimitAndForgivesAfterAHealthyLife) {
  Backoff backoff;
  for (const int expected : {100, 200, 400, 800, 1600, 3200, 5000, 5000}) {
    EXPECT_EQ(backoff.after_life_of(milliseconds{50}), milliseconds{expected});
  }
  EXPECT_EQ(backoff.after_life_of(seconds{10}), milliseconds{100});
  EXPECT_EQ(backoff.after_life_of(seconds{9}), milliseconds{200});
}

TEST(FleetFsm, StartsAllInOrder) {
  FleetFsm fsm({1, 0}, {});
  EXPECT_EQ(fsm.start(kBegin), (FleetActions{{kSpawn, 0}, {kSpawn, 1}}));
  EXPECT_FALSE(fsm.next_time().has_value());
}

TEST(FleetFsm, RestartsWhatDiesAfterItsBackoff) {
  FleetFsm fsm({1, 0}, {});
  (void)fsm.start(kBegin);
  EXPECT_TRUE(fsm.on_exit(1, kBegin + milliseconds{10}).empty());
  EXPECT_EQ(fsm.next_time(), kBegin + milliseconds{110});
  EXPECT_TRUE(fsm.on_time(kBegin + milliseconds{109}).empty());
  EXPECT_EQ(fsm.on_time(kBegin + milliseconds{110}), (FleetActions{{kSpawn, 1}}));
  EXPECT_TRUE(fsm.on_exit(1, kBegin + milliseconds{120}).empty());
  EXPECT_EQ(fsm.restart_delay(1, kBegin + milliseconds{120}), milliseconds{200});
}

TEST(FleetFsm, StopsInPhases) {
  FleetFsm fsm({1, 0, 0}, {});
  (void)fsm.start(kBegin);
  EXPECT_EQ(fsm.stop(kBegin), (FleetActions{{kTerminate, 1}, {kTerminate, 2}}));
  EXPECT_TRUE(fsm.on_exit(1, kBegin).empty());
  EXPECT_EQ(fsm.on_exit(2, kBegin), (FleetActions{{kTerminate, 0}}));
  EXPECT_EQ(fsm.on_exit(0, kBegin), (FleetActions{{kFinished, 0}}));
  EXPECT_TRUE(fsm.finished());
}

TEST(FleetFsm, SlowPhaseDoesNotHoldUpTheNextAndIsKilledInTime) {
  FleetFsm fsm({1, 0}, {});
  (void)fsm.start(kBegin);
  (void)fsm.stop(kBegin);
  EXPECT_EQ(fsm.next_time(), kBegin + milliseconds{2500});
  EXPECT_EQ(fsm.on_time(kBegin + milliseconds{2500}), (FleetActions{{kTerminate, 0}}));
  EXPECT_TRUE(fsm.on_exit(0, kBegin + milliseconds{2600}).empty());
  EXPECT_EQ(fsm.next_time(), kBegin + milliseconds{4000});
  EXPECT_EQ(fsm.on_time(kBegin + milliseconds{4000}), (FleetActions{{kKill, 1}}));
  EXPECT_EQ(fsm.on_exit(1, kBegin + milliseconds{4001}), (FleetActions{{kFinished, 0}}));
}

TEST(FleetFsm, SecondStopKillsAtOnce) {
  FleetFsm fsm({1, 0}, {});
  (void)fsm.start(kBegin);
  (void)fsm.stop(kBegin);
  EXPECT_EQ(fsm.stop(kBegin), (FleetActions{{kKill, 0}, {kKill, 1}}));
  EXPECT_TRUE(fsm.stop(kBegin).empty());
  (void)fsm.on_exit(0, kBegin);
  EXPECT_EQ(fsm.on_exit(1, kBegin), (FleetActions{{kFinished, 0}}));
  EXPECT_EQ(fsm.stop_requests(), 3);
}

TEST(FleetFsm, StopWhileWaitingToRestartDoesNotRestart) {
  FleetFsm fsm({0}, {});
  (void)fsm.start(kBegin);
  (void)fsm.on_exit(0, kBegin);
  EXPECT_EQ(fsm.stop(kBegin), (FleetActions{{kFinished, 0}}));
  EXPECT_TRUE(fsm.on_time(kBegin + seconds{20}).empty());
}

}  // namespace
}  // namespace answermill::command
