// A start with much to bring back.
#include <gtest/gtest.h>

#include <algorithm>

#include "core_fixture.h"

namespace answermill::broker {
namespace {

using namespace messages;
using std::chrono::milliseconds;

constexpr int kJobs = 30'000;  // more than one turn of the loop takes

class CoreStart : public testing::Test {
 protected:
  CoreStart() {
    for (int i = 0; i < kJobs; ++i) add(std::to_string(i), Priority::kBulk);
    add("asked last", Priority::kInteractive);
  }

  void add(const std::string& request, Priority priority) {
    auto submit = submission(request, "embed", Durability::kStrict);
    submit.job.priority = priority;
    submit.job.payload = request;
    bench.submit(submit);
    if (bench.out.waiting.size() > 1000) bench.commit();
  }
  void start_again() {
    bench.commit();
    bench.restart(2);
    bench.hello("w", "embed", kJobs + 1);
  }
  // What the worker was given since the last look, in order.
  std::vector<std::string> given() {
    std::vector<std::string> payloads;
    for (const auto& bytes : bench.out.sent["w"]) {
      const auto frame = split_frame(bytes);
      if (frame->kind == static_cast<std::uint8_t>(WorkKind::kLease))
        payloads.push_back(decode<Lease>(frame->body)->spec.payload);
    }
    bench.out.sent["w"].clear();
    return payloads;
  }
  // Until the hold is over, its last turn included.
  void wait_for_the_release() {
    while (bench.core->next_tick() > milliseconds(0)) {
      Beat beat;
      beat.worker = "w";
      beat.slots = kJobs + 1;
      bench.core->on_work_frame("w", encode_frame(WorkKind::kBeat, beat), bench.now);
      bench.pass(milliseconds(100));
    }
  }

  static CoreConfig config() {
    CoreConfig config;
    config.tenants.max_in_flight = kJobs + 1;
    return config;
  }

  Bench bench{1, config()};
};

TEST_F(CoreStart, HandsOutTheFirstJobsBeforeTheLastAreInLine) {
  start_again();
  EXPECT_TRUE(given().empty());
  wait_for_the_release();
  auto all = given();
  ASSERT_FALSE(all.empty());
  EXPECT_EQ(all[0], "asked last") << "people do not wait behind what was there before them";
  EXPECT_LT(all.size(), static_cast<std::size_t>(kJobs));
  int turns = 1;
  for (; bench.core->next_tick() == milliseconds(0); ++turns) {
    bench.pass(milliseconds(1));
    const auto more = given();
    all.insert(all.end(), more.begin(), more.end());
  }
  EXPECT_GT(turns, 2);
  ASSERT_EQ(all.size(), static_cast<std::size_t>(kJobs + 1));
  for (int i = 0; i < kJobs; ++i) ASSERT_EQ(all[static_cast<std::size_t>(i) + 1], std::to_string(i));
}

TEST_F(CoreStart, AJobThatItsWorkerBringsBackDuringTheReleaseIsNotGivenOut) {
  start_again();
  bench.pass(milliseconds(100));
  const auto rows = bench.out.rows();
  const auto last = std::find_if(rows.rbegin(), rows.rend(), [](const JournalRow& row) {
    return row.table == JournalTable::kJob && decode<StoredJob>(row.value)->spec.payload == "29999";
  });
  ASSERT_NE(last, rows.rend());
  wait_for_the_release();
  const auto stored = *decode<StoredJob>(last->value);
  bench.hello("other", "embed", 1, {{stored.spec, 1, std::uint64_t{1} << 32U | 7U, true, false, {}}});
  const auto welcome = bench.out.take<Welcome>("other", WorkKind::kWelcome);
  ASSERT_TRUE(welcome && welcome->adopted.size() == 1);
  EXPECT_NE(welcome->adopted[0].fence, 0U);
  auto all = given();
  while (bench.core->next_tick() == milliseconds(0)) bench.pass(milliseconds(1));
  const auto more = given();
  all.insert(all.end(), more.begin(), more.end());
  EXPECT_EQ(all.size(), static_cast<std::size_t>(kJobs));
  EXPECT_EQ(std::count(all.begin(), all.end(), "29999"), 0);
}

TEST_F(CoreStart, ARepeatedRequestIsKnownAfterIt) {
  start_again();
  bench.out.published.clear();
  auto again = submission("17", "embed", Durability::kStrict);
  again.job.priority = Priority::kBulk;
  again.job.payload = "17";
  bench.submit(again);
  again.job.payload = "something else";
  bench.submit(again);
  const auto acks = bench.out.events<SubmitAck>(EventKind::kAck);
  ASSERT_EQ(acks.size(), 2U);
  EXPECT_EQ(acks[0].code, ErrorCode::kOk);
  EXPECT_EQ(acks[1].code, ErrorCode::kConflict);
}

}  // namespace
}  // namespace answermill::broker
