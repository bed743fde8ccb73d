#include "shared/streams/stream_budget.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <random>

namespace answermill::streams {
namespace {

using Leaves = StreamBudget::Leaves;
constexpr StreamBudget::TimePoint kStart{};

TEST(StreamBudget, LetsTheOldestThatHasEndedGoFirst) {
  StreamBudget budget(100);
  for (const char* name : {"live", "unseen", "old", "older"}) budget.resize(name, 40);
  EXPECT_EQ(budget.next_to_leave(), nullptr);  // nobody may
  budget.set("unseen", Leaves::kSecond, kStart);
  budget.set("old", Leaves::kFirst, kStart + std::chrono::seconds(2));
  budget.set("older", Leaves::kFirst, kStart + std::chrono::seconds(1));
  ASSERT_NE(budget.next_to_leave(), nullptr);
  EXPECT_EQ(*budget.next_to_leave(), "older");
  budget.forget("older");
  EXPECT_EQ(*budget.next_to_leave(), "old");
  budget.set("old", Leaves::kNever, kStart);  // somebody came to look at it
  EXPECT_EQ(*budget.next_to_leave(), "unseen");
  budget.forget("unseen");
  EXPECT_EQ(budget.total(), 80U);
  EXPECT_FALSE(budget.exceeded());
  budget.resize("live", 70);
  EXPECT_TRUE(budget.exceeded());
  EXPECT_EQ(budget.next_to_leave(), nullptr);
}

struct Known {
  std::size_t bytes = 0;
  Leaves leaves = Leaves::kNever;
  StreamBudget::TimePoint since{};
};

TEST(StreamBudget, KeepsItsBoundAndItsOrderWhateverHappens) {
  for (std::uint32_t seed = 1; seed <= 200; ++seed) {
    std::mt19937 random(seed);
    const std::size_t limit = 1 + random() % 3000;
    StreamBudget budget(limit);
    std::map<std::string, Known> model;
    for (int step = 0; step < 300; ++step) {
      const std::string id = std::to_string(random() % 30);
      switch (random() % 5) {
        case 0:
        case 1:
        case 2:
          budget.resize(id, model[id].bytes = random() % 300);
          break;
        case 3: {
          const Known state{0, static_cast<Leaves>(random() % 3),
                            kStart + std::chrono::seconds(random() % 50)};
          budget.set(id, state.leaves, state.since);
          if (const auto known = model.find(id); known != model.end())
            known->second = {known->second.bytes, state.leaves, state.since};
          break;
        }
        default:
          budget.forget(id);
          model.erase(id);
      }
      while (const std::string* leaving = budget.next_to_leave()) {
        const Known gone = model.at(*leaving);
        ASSERT_NE(gone.leaves, Leaves::kNever) << "seed " << seed;
        for (const auto& [other, state] : model) {
          ASSERT_FALSE(std::pair(state.leaves, state.since) < std::pair(gone.leaves, gone.since) &&
                       state.leaves != Leaves::kNever)
              << "seed " << seed;
        }
        model.erase(*leaving);
        budget.forget(std::string(*leaving));
      }
      std::size_t total = 0;
      std::size_t must_stay = 0;
      for (const auto& [other, state] : model) {
        total += state.bytes;
        must_stay += state.leaves == Leaves::kNever ? state.bytes : 0;
      }
      ASSERT_EQ(budget.total(), total) << "seed " << seed;
      ASSERT_TRUE(total <= limit || total == must_stay) << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace answermill::streams
