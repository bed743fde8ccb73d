// Who is to blame for a worker that says nothing more.
#include <gtest/gtest.h>

#include "core_fixture.h"

namespace answermill::broker {
namespace {

using namespace messages;
using std::chrono::milliseconds;
using std::chrono::seconds;

class CoreHang : public testing::Test {
 protected:
  void submit(const std::string& request) {
    auto job = submission(request, "extract", Durability::kStrict);
    GroupSpec group;
    group.id = "group of " + request;
    group.topic = kTopic;
    group.completion.stage = "record";
    job.group = group;
    job.job.payload = request;
    bench.submit(job);
    bench.commit();
  }
  void beat(const std::string& worker, const Lease& lease, bool started) {
    Beat beat;
    beat.worker = worker;
    beat.slots = 4;
    beat.jobs.push_back({lease.spec.id, lease.fence, started, 0, started ? 1U : 0U, 0});
    bench.core->on_work_frame(worker, encode_frame(WorkKind::kBeat, beat), bench.now);
  }
  // Nothing comes from the worker any more. A stopped process loses its connection on the way.
  void fall_silent(const std::string& worker, bool stopped) {
    for (int i = 0; i < 30; ++i) {
      if (stopped && i == 14) bench.out.gone.insert(worker);
      bench.pass(milliseconds(100));
    }
    bench.commit();
    bench.pass(seconds(20));  // longer than any pause between tries
    bench.commit();
  }
  // How the request's job ended; none while it is open.
  std::optional<JobFailure> failure(const std::string& request) {
    for (const auto& [key, value] : bench.out.disk[static_cast<int>(JournalTable::kGroup)]) {
      const auto group = decode<StoredGroup>(value);
      if (key == "group of " + request && !group->progress.failures.empty())
        return group->progress.failures[0];
    }
    return std::nullopt;
  }

  Bench bench;
};

TEST_F(CoreHang, AJobThatHangsItsLoopThriceIsSetAsideWithTheCause) {
  submit("r");
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(failure("r")) << i;
    const std::string name = "w" + std::to_string(i);
    bench.hello(name, "extract");
    ASSERT_TRUE(bench.lease(name)) << i;
    fall_silent(name, false);
  }
  const auto failed = failure("r");
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->code, ErrorCode::kTimeout);
  EXPECT_NE(failed->message.find("made no progress for 2 s"), std::string::npos) << failed->message;
}

TEST_F(CoreHang, AStoppedHostCostsItsJobsNothing) {
  submit("r");
  for (int i = 0; i < 10; ++i) {
    const std::string name = "w" + std::to_string(i);
    bench.hello(name, "extract");
    const auto lease = bench.lease(name);
    ASSERT_TRUE(lease) << i;
    beat(name, *lease, true);
    fall_silent(name, true);
  }
  EXPECT_FALSE(failure("r"));
  bench.hello("last", "extract");
  EXPECT_TRUE(bench.lease("last"));
}

TEST_F(CoreHang, OnlyTheJobThatCameLastIsCharged) {
  submit("innocent");
  submit("culprit");
  for (int i = 0; i < 3; ++i) {
    const std::string name = "w" + std::to_string(i);
    bench.hello(name, "extract", 1);
    const auto innocent = bench.lease(name);
    ASSERT_TRUE(innocent);
    EXPECT_EQ(innocent->spec.payload, "innocent");
    bench.pass(milliseconds(100));
    beat(name, *innocent, true);  // with more slots: the other one follows
    const auto culprit = bench.lease(name);
    ASSERT_TRUE(culprit);
    EXPECT_EQ(culprit->spec.payload, "culprit");
    fall_silent(name, false);
  }
  EXPECT_TRUE(failure("culprit"));
  EXPECT_FALSE(failure("innocent"));
}

// The loop of the worker turns and beats; one of its threads never comes back.
TEST_F(CoreHang, WorkBehindADeadThreadGoesElsewhereUncharged) {
  submit("hangs");
  submit("waits");
  bench.hello("sick", "extract", 2);
  const auto hangs = bench.lease("sick");
  const auto waits = bench.lease("sick");
  ASSERT_TRUE(hangs && waits);
  Beat beat;
  beat.worker = "sick";
  beat.slots = 2;
  beat.jobs = {{hangs->spec.id, hangs->fence, true, 0, 1, 0}, {waits->spec.id, waits->fence, false, 0, 0, 0}};
  const auto tell = [&](int times) {
    for (int i = 0; i < times; ++i) {
      bench.pass(milliseconds(500));
      bench.core->on_work_frame("sick", encode_frame(WorkKind::kBeat, beat), bench.now);
      bench.commit();
    }
  };
  tell(2 * 185);
  ASSERT_TRUE(bench.out.take<Revoke>("sick", WorkKind::kRevoke));
  beat.jobs.erase(beat.jobs.begin());
  tell(2 * 10);
  bench.out.sent["sick"].clear();
  bench.hello("well", "extract", 2);
  const auto first = bench.lease("well");
  const auto second = bench.lease("well");
  ASSERT_TRUE(first && second) << "neither is left behind";
  for (const auto& lease : {*first, *second}) bench.result("well", lease);
  bench.commit();
  EXPECT_FALSE(failure("hangs") || failure("waits"));
  submit("next");
  EXPECT_TRUE(bench.lease("well"));
  EXPECT_FALSE(bench.lease("sick")) << "it has no thread left";
  bench.hello("sick", "extract", 2);
  submit("after its restart");
  EXPECT_TRUE(bench.lease("sick") || bench.lease("well"));
}

// Over the network silence may be a cut cable.
TEST_F(CoreHang, ASilentWorkerOfAnotherHostCostsItsJobsNothing) {
  submit("r");
  for (int i = 0; i < 5; ++i) {
    const std::string name = "w" + std::to_string(i);
    Hello hello;
    hello.worker = name;
    hello.stage = "extract";
    const bus::Peer peer{"key", bus::RoleSet(*bus::role_for_stage("extract"))};
    bench.core->on_work_frame(name, encode_frame(WorkKind::kHello, hello), bench.now, peer);
    ASSERT_TRUE(bench.lease(name)) << i;
    fall_silent(name, false);
  }
  EXPECT_FALSE(failure("r"));
}

}  // namespace
}  // namespace answermill::broker
