#include "broker/queue/group_ledger.h"

#include <gtest/gtest.h>

namespace answermill::broker {
namespace {

using namespace messages;
const TimePoint kStart{};

JobSpec job(const std::string& stage, std::uint32_t units) {
  JobSpec spec;
  spec.stage = stage;
  spec.units = units;
  return spec;
}

GroupLedger ledger() {
  GroupSpec spec;
  spec.id = "g";
  return GroupLedger(spec, kStart);
}

TEST(GroupLedger, ClosesWhenNothingIsOpen) {
  auto group = ledger();
  group.job_opened();
  group.job_opened();
  group.job_done(job("extract", 4), {});
  EXPECT_FALSE(group.is_complete());
  group.job_failed(job("extract", 4), "j", ErrorCode::kCrashed, "why");
  EXPECT_TRUE(group.is_complete());
  EXPECT_EQ(group.committed().failures.at(0).message, "why");
}

TEST(GroupLedger, DoesNotCountUnitsTwiceThatWereHandedOn) {
  auto group = ledger();
  group.job_opened();
  Outcome outcome;
  outcome.followups = {job("extract", 1), job("extract", 1), job("embed", 6)};
  group.job_done(job("extract", 8), outcome);
  EXPECT_EQ(group.committed().stages.at(0).done, 6U);
}

TEST(GroupLedger, NeverRunsBackwards) {
  auto group = ledger();
  group.job_opened();
  group.job_opened();
  Outcome plan;
  plan.totals = {{"extract", 0, 10}};
  group.job_done(job("extract", 0), plan);
  group.running("j", "extract", 5);
  group.show(group.committed());
  EXPECT_EQ(group.shown(kStart).stages.at(0).done, 5U);
  group.running("j", "extract", 0);  // the attempt died
  group.show(group.committed());
  EXPECT_EQ(group.shown(kStart).stages.at(0).done, 5U);
  group.job_done(job("extract", 10), {});
  group.show(group.committed());
  const auto shown = group.shown(kStart + std::chrono::seconds(2));
  EXPECT_EQ(shown.stages.at(0).done, 10U);
  EXPECT_EQ(shown.eta_ms, 0);
}

TEST(GroupLedger, AddsUpCounters) {
  auto group = ledger();
  Outcome outcome;
  outcome.counters = {{"chunks", 3}};
  group.job_done(job("extract", 1), outcome);
  group.job_done(job("extract", 1), outcome);
  EXPECT_EQ(group.committed().counters.at(0).value, 6);
}

}  // namespace
}  // namespace answermill::broker
