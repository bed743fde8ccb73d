// What the broker keeps of streams: bounded, and in an order.
#include <gtest/gtest.h>

#include <random>

#include "shared/messages/query.h"
#include "tests/unit/broker/core_fixture.h"

namespace answermill::broker {
namespace {

using namespace messages;
using std::chrono::seconds;

constexpr std::size_t kAnswer = 20'000;  // bytes of each

std::string stream_name(std::size_t number) {
  std::string name(16, 'b');
  for (std::size_t i = 0; i < 4; ++i, number /= 20) name[i] = static_cast<char>('b' + number % 20);
  return std::string(kTopic) + "-" + name;
}

class Memory : public ::testing::Test {
 protected:
  static CoreConfig config(std::size_t bytes) {
    CoreConfig config;
    config.stream_memory = bytes;
    return config;
  }
  // A question whose answer is being written.
  static Lease begin(Bench& bench, std::size_t number) {
    bench.submit(question("q" + std::to_string(number), stream_name(number)));
    bench.commit();
    Lease lease = bench.lease("w").value();
    bench.tokens(lease, {{2, 2, StreamEventKind::kToken, 0, std::string(kAnswer, 'x')}});
    return lease;
  }
  static void finish(Bench& bench, const Lease& lease) {
    Outcome outcome;
    outcome.events = {{2, 2, StreamEventKind::kToken, 0, std::string(kAnswer, 'x')}};
    outcome.ends_stream = true;
    bench.result("w", lease, outcome);
    bench.commit();
  }
  static void record(Bench& bench) {
    while (const auto lease = bench.lease("r")) {
      bench.result("r", *lease);
      bench.commit();
    }
  }
  static bool known(Bench& bench, std::size_t number) {
    const auto answer =
        bench.core->on_query_frame(encode_frame(QueryKind::kReplay, Replay{1, stream_name(number), 0}));
    return decode<Replayed>(split_frame(answer)->body)->known;
  }
  // A second later, all jobs still at work.
  static FleetStatus status(Bench& bench, const std::vector<Lease>& live = {}) {
    Beat beat;
    beat.worker = "w";
    beat.slots = 1000;
    for (const auto& lease : live) beat.jobs.push_back({lease.spec.id, lease.fence, true, 0, 0, 0});
    bench.core->on_work_frame("w", encode_frame(WorkKind::kBeat, beat), bench.now);
    bench.beat("r");
    bench.pass(seconds(1));
    return bench.out.events<FleetStatus>(EventKind::kFleet).back();
  }
};

TEST_F(Memory, EndedAnswersLeaveBeforeTheirTimeOldestFirst) {
  Bench bench(1, config(5 * kAnswer));
  bench.hello("w", "generate", 100);
  bench.hello("r", "record", 100);
  for (std::size_t i = 0; i < 8; ++i) {
    finish(bench, begin(bench, i));
    record(bench);
    bench.now += std::chrono::milliseconds(1);
  }
  const auto seen = status(bench);
  EXPECT_LE(seen.stream_bytes, 5 * kAnswer);
  EXPECT_EQ(seen.open_streams, 0U);
  EXPECT_GE(seen.evicted_streams, 3U);
  EXPECT_EQ(seen.kept_streams + seen.evicted_streams, 8U);
  for (std::size_t i = 0; i < 8; ++i) EXPECT_EQ(known(bench, i), i >= seen.evicted_streams) << i;
}

TEST_F(Memory, WhatIsUnderWayStaysAndNewQuestionsWait) {
  Bench bench(1, config(3 * kAnswer));
  bench.hello("w", "generate", 100);
  bench.hello("r", "record", 100);
  std::vector<Lease> leases;
  for (std::size_t i = 0; i < 4; ++i) leases.push_back(begin(bench, i));
  EXPECT_EQ(status(bench, leases).evicted_streams, 0U);
  bench.submit(question("more", stream_name(99)));
  const auto refused = bench.out.events<SubmitAck>(EventKind::kAck).back();
  EXPECT_EQ(refused.code, ErrorCode::kBusy);
  EXPECT_GT(refused.retry_after_ms, 0U);
  EXPECT_NE(refused.message.find("try again in"), std::string::npos);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_TRUE(known(bench, i));
  for (const auto& lease : leases) finish(bench, lease);
  // Nobody else has them until they are recorded.
  EXPECT_EQ(status(bench).evicted_streams, 0U);
  record(bench);
  EXPECT_GT(status(bench).evicted_streams, 0U);
  begin(bench, 99);
}

TEST_F(Memory, AnEndedAnswerIsNoOpenQuestion) {
  CoreConfig config;
  config.tenants.max_open_streams = 1;
  Bench bench(1, config);
  bench.hello("w", "generate", 100);
  for (std::size_t i = 0; i < 5; ++i) finish(bench, begin(bench, i));
}

TEST_F(Memory, StaysBoundedWhateverTheMix) {
  for (std::uint32_t seed = 1; seed <= 30; ++seed) {
    std::mt19937 random(seed);
    const std::size_t limit = (3 + random() % 8) * kAnswer;
    Bench bench(1, config(limit));
    bench.hello("w", "generate", 1000);
    bench.hello("r", "record", 1000);
    std::vector<Lease> live;
    for (std::size_t i = 0; i < 60; ++i) {
      if (live.empty() && random() % 3 != 0) live.push_back(begin(bench, i));
      if (!live.empty() && random() % 2 == 0) {
        finish(bench, live.back());
        live.pop_back();
        record(bench);
      }
      const auto seen = status(bench, live);
      ASSERT_LE(seen.stream_bytes, limit) << "seed " << seed;
      ASSERT_EQ(seen.open_streams, live.size()) << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace answermill::broker
