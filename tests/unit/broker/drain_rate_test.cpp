#include "broker/queue/drain_rate.h"

#include <gtest/gtest.h>

#include <random>

namespace answermill::broker {
namespace {

using std::chrono::milliseconds;
constexpr DrainRate::TimePoint kStart{std::chrono::hours(1)};

TEST(DrainRate, SpreadsTheRefusedOverTheTimeThatMakesRoom) {
  DrainRate rate;
  EXPECT_EQ(rate.refuse(0, kStart), milliseconds(1000));  // nothing measured yet
  // A hundred a second leave; two hundred submitters come at once.
  const auto later = kStart + std::chrono::seconds(1);
  milliseconds last{0};
  for (int i = 0; i < 200; ++i) {
    const auto wait = rate.refuse(100, later);
    EXPECT_GE(wait, last);
    last = wait;
  }
  EXPECT_NEAR(static_cast<double>(last.count()), 2000, 50);
}

TEST(DrainRate, AStandingQueueIsAskedAgainLateAndAFastOneSoon) {
  DrainRate standing;
  standing.refuse(7, kStart);
  EXPECT_EQ(standing.refuse(7, kStart + std::chrono::seconds(2)), milliseconds(30'000));
  DrainRate fast;
  fast.refuse(0, kStart);
  EXPECT_EQ(fast.refuse(100'000, kStart + std::chrono::seconds(1)), milliseconds(100));
}

TEST(DrainRate, ForgetsWhatItMeasuredLongAgo) {
  DrainRate rate;
  rate.refuse(0, kStart);
  rate.refuse(0, kStart + std::chrono::seconds(1));
  EXPECT_EQ(rate.refuse(0, kStart + std::chrono::minutes(5)), milliseconds(1000));
}

TEST(DrainRate, StaysWithinItsBoundsWhateverHappens) {
  for (std::uint32_t seed = 1; seed <= 200; ++seed) {
    std::mt19937 random(seed);
    DrainRate rate;
    const RetryBounds bounds{milliseconds(1 + random() % 200), milliseconds(1000 + random() % 20'000),
                             milliseconds(500)};
    std::uint64_t left = 0;
    auto now = kStart;
    for (int i = 0; i < 300; ++i) {
      now += milliseconds(random() % 3 == 0 ? random() % 40'000 : random() % 50);
      if (random() % 3 != 0) left += random() % 1000;
      const auto wait = rate.refuse(left, now, bounds);
      ASSERT_TRUE(wait == bounds.unknown || (wait >= bounds.least && wait <= bounds.most)) << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace answermill::broker
