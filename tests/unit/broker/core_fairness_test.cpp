// Who waits for whom: floods, caps, bounds, and what a waiting question is told.
#include <gtest/gtest.h>

#include "core_fixture.h"

namespace answermill::broker {
namespace {

using namespace messages;
using std::chrono::milliseconds;
using std::chrono::seconds;

Submit job_of(const std::string& tenant, int number, Priority priority) {
  auto submit = submission(tenant + std::to_string(number), "embed", Durability::kRelaxed);
  submit.job.tenant = tenant;
  submit.job.priority = priority;
  return submit;
}

// 10,000 jobs of one tenant, all aged, whatever their class: another's question starts within a few turns.
TEST(CoreFairness, AFloodDoesNotRaiseAnothersWait) {
  for (const auto priority : {Priority::kBulk, Priority::kInteractive}) {
    Bench bench;
    for (int i = 0; i < 10'000; ++i) bench.submit(job_of("flooder", i, priority));
    bench.pass(std::chrono::hours(1));
    bench.hello("w", "embed");
    bench.submit(job_of("quiet", 1, Priority::kInteractive));
    int turns = 0;
    for (auto lease = bench.lease("w"); lease; lease = bench.lease("w")) {
      ++turns;
      if (lease->spec.tenant == "quiet") break;
      bench.result("w", *lease);
    }
    EXPECT_LE(turns, 3);
  }
}

TEST(CoreFairness, CapsWhatATenantHasInFlight) {
  CoreConfig config;
  config.tenants.max_in_flight = 2;
  Bench bench(1, config);
  bench.hello("w", "embed", 10);
  for (int i = 0; i < 5; ++i) bench.submit(job_of("a", i, Priority::kInteractive));
  bench.submit(job_of("b", 0, Priority::kBulk));
  std::vector<Lease> leases;
  while (auto lease = bench.lease("w")) leases.push_back(*lease);
  ASSERT_EQ(leases.size(), 3U);
  EXPECT_EQ(leases[2].spec.tenant, "b");
  bench.result("w", leases[0]);
  EXPECT_TRUE(bench.lease("w"));
  EXPECT_FALSE(bench.lease("w"));
}

TEST(CoreFairness, RefusesTooMuchOfOneTenantWithATimeToTryAgain) {
  CoreConfig config;
  config.tenants.max_open_jobs = 2;
  Bench bench(1, config);
  for (int i = 0; i < 3; ++i) bench.submit(job_of("a", i, Priority::kBulk));
  bench.submit(job_of("b", 0, Priority::kBulk));
  const auto acks = bench.out.events<SubmitAck>(EventKind::kAck);
  ASSERT_EQ(acks.size(), 4U);
  EXPECT_EQ(acks[2].code, ErrorCode::kBusy);
  EXPECT_GT(acks[2].retry_after_ms, 0U);
  EXPECT_EQ(acks[3].code, ErrorCode::kOk);
  bench.hello("w", "embed");
  bench.result("w", *bench.lease("w"));
  bench.submit(job_of("a", 2, Priority::kBulk));
  EXPECT_EQ(bench.out.events<SubmitAck>(EventKind::kAck).back().code, ErrorCode::kOk);
}

TEST(CoreFairness, TellsAWaitingQuestionItsPlace) {
  Bench bench;
  std::vector<std::uint32_t> told;
  for (int i = 0; i < 4; ++i) {
    const std::string stream = std::string(kTopic) + "-" + std::string(16, static_cast<char>('b' + i));
    bench.submit(question("q" + std::to_string(i), stream));
  }
  bench.pass(seconds(1));
  for (const auto& batch : bench.out.events<StreamBatch>(EventKind::kStream)) {
    for (const auto& event : batch.events) told.push_back(decode<StatusEvent>(event.data)->queue_position);
  }
  EXPECT_EQ(told, (std::vector<std::uint32_t>{1, 2, 3, 4}));
  EXPECT_EQ(bench.out.events<SubmitAck>(EventKind::kAck).back().queue_position, 3U);
}

TEST(CoreFairness, AnExpiredJobGivesItsSlotBack) {
  Bench bench;
  bench.hello("w", "embed");
  auto submit = job_of("a", 0, Priority::kBulk);
  submit.job.deadline_ms = 1000;
  bench.submit(submit);
  ASSERT_TRUE(bench.lease("w"));
  bench.pass(milliseconds(1100));
  EXPECT_TRUE(bench.out.take<Revoke>("w", WorkKind::kRevoke));
  bench.submit(job_of("a", 1, Priority::kBulk));
  EXPECT_TRUE(bench.lease("w"));
}

TEST(CoreFairness, KeepsWhatAnEarlierCrashSaid) {
  Bench bench;
  auto submit = submission("r", "extract", Durability::kStrict);
  GroupSpec group;
  group.id = "g";
  group.topic = kTopic;
  group.completion.stage = "record";
  submit.group = group;
  bench.submit(submit);
  bench.commit();
  for (int i = 0; i < 3; ++i) {
    const std::string name = "w" + std::to_string(i);
    bench.pass(seconds(16));  // longer than any pause between tries
    bench.hello(name, "extract");
    std::optional<Lease> lease;
    while (auto newer = bench.lease(name)) lease = std::move(newer);
    ASSERT_TRUE(lease) << i;
    if (i == 0) {
      Outcome crash;
      crash.status = OutcomeStatus::kFailed;
      crash.code = ErrorCode::kCrashed;
      crash.retryable = crash.crashed = true;
      crash.message = "signal 11, last said: page 7";
      bench.result(name, *lease, crash);
    }
    bench.out.gone.insert(name);
    bench.pass(milliseconds(250));
  }
  bench.commit();
  bench.hello("rec", "record");
  const auto record = bench.lease("rec");
  ASSERT_TRUE(record);
  const auto progress = decode<GroupProgress>(record->attachment);
  EXPECT_NE(progress->failures.at(0).message.find("signal 11, last said: page 7"), std::string::npos);
}

TEST(TenantWeights, AreReadAndShown) {
  TenantLimits limits;
  ASSERT_TRUE(parse_weights("a=3,b=0.5", limits));
  EXPECT_EQ(show_weights(limits), "a=3,b=0.5");
  EXPECT_EQ(Tenants(limits).weight("b"), 0.5);
  EXPECT_EQ(Tenants(limits).weight("c"), 1);
  for (const char* bad : {"a", "=2", "a=0", "a=x", "a=-1", "a=1x", "a=nan"})
    EXPECT_FALSE(parse_weights(bad, limits)) << bad;
}

}  // namespace
}  // namespace answermill::broker
