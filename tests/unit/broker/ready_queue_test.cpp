#include "broker/queue/ready_queue.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace answermill::broker {
namespace {

using messages::Priority;
const TimePoint kStart{};

messages::JobSpec job(const std::string& id, const std::string& tenant, Priority priority,
                      std::uint32_t units = 0) {
  messages::JobSpec spec;
  spec.id = id;
  spec.tenant = tenant;
  spec.priority = priority;
  spec.units = units;
  return spec;
}

TEST(ReadyQueue, ServesInteractiveBeforeBulk) {
  ReadyQueue queue;
  queue.push(job("bulk", "t", Priority::kBulk), kStart);
  queue.push(job("question", "t", Priority::kInteractive), kStart);
  EXPECT_EQ(queue.pop(kStart), "question");
  EXPECT_EQ(queue.pop(kStart), "bulk");
  EXPECT_EQ(queue.pop(kStart), std::nullopt);
}

TEST(ReadyQueue, LetsTenantsTakeTurns) {
  ReadyQueue queue;
  for (int i = 0; i < 3; ++i)
    queue.push(job("flood" + std::to_string(i), "flooder", Priority::kBulk), kStart);
  queue.push(job("one", "quiet", Priority::kBulk), kStart);
  EXPECT_EQ(queue.pop(kStart), "flood0");
  EXPECT_EQ(queue.pop(kStart), "one");
  EXPECT_EQ(queue.pop(kStart), "flood1");
}

TEST(ReadyQueue, GivesWhatWasHandedBackItsPlaceInFront) {
  ReadyQueue queue;
  queue.push(job("a", "t", Priority::kNormal), kStart);
  queue.push(job("b", "t", Priority::kNormal), kStart);
  queue.push_front(job("back", "t", Priority::kNormal), kStart);
  EXPECT_EQ(queue.drain(), (std::deque<std::string>{"back", "a", "b"}));
}

// However deep the backlog and however long it has waited, people's questions lose one turn in sixteen to it.
TEST(ReadyQueue, AgedWorkTakesABoundedShareAndNeverStarves) {
  ReadyQueue queue;
  for (int i = 0; i < 1000; ++i) queue.push(job("bulk" + std::to_string(i), "t", Priority::kBulk), kStart);
  const TimePoint later = kStart + std::chrono::hours(1);
  int bulk = 0;
  for (int i = 0; i < 1600; ++i) {
    queue.push(job("q" + std::to_string(i), "t", Priority::kInteractive), later);
    bulk += queue.pop(later)->starts_with("bulk") ? 1 : 0;
  }
  EXPECT_EQ(bulk, 1600 / static_cast<int>(ReadyQueue::kAgedTurn));
}

TEST(ReadyQueue, WorkThatHasNotAgedWaits) {
  ReadyQueue queue;
  queue.push(job("bulk", "t", Priority::kBulk), kStart);
  for (int i = 0; i < 100; ++i) {
    queue.push(job("q" + std::to_string(i), "t", Priority::kInteractive), kStart);
    EXPECT_NE(queue.pop(kStart + std::chrono::seconds(1)), "bulk");
  }
}

TEST(ReadyQueue, RemovesFromTheMiddle) {
  ReadyQueue queue;
  for (const char* id : {"a", "b", "c"}) queue.push(job(id, "t", Priority::kNormal), kStart);
  EXPECT_TRUE(queue.remove("b"));
  EXPECT_FALSE(queue.remove("b"));
  EXPECT_EQ(queue.drain(), (std::deque<std::string>{"a", "c"}));
  EXPECT_EQ(queue.size(), 0U);
}

TEST(ReadyQueue, ATenantAtItsCapStandsAsideUntilSomethingLands) {
  Tenants tenants({{}, 2, 10, 10});
  ReadyQueue queue(&tenants);
  for (int i = 0; i < 4; ++i) queue.push(job("a" + std::to_string(i), "a", Priority::kInteractive), kStart);
  queue.push(job("b", "b", Priority::kBulk), kStart);
  for (const char* expected : {"a0", "a1"}) {
    EXPECT_EQ(queue.pop(kStart), expected);
    tenants.flight_begun("a");
  }
  EXPECT_EQ(queue.pop(kStart), "b");
  EXPECT_EQ(queue.pop(kStart), std::nullopt);
  EXPECT_EQ(queue.size(), 2U);
  tenants.flight_ended("a");
  EXPECT_EQ(queue.pop(kStart), "a2");
}

TEST(ReadyQueue, TellsTheNextInLine) {
  Tenants tenants({{{"heavy", 2}}, 100, 100, 100});
  ReadyQueue queue(&tenants);
  for (int i = 0; i < 6; ++i) {
    queue.push(job("h" + std::to_string(i), "heavy", Priority::kInteractive), kStart);
    queue.push(job("l" + std::to_string(i), "light", Priority::kInteractive), kStart);
  }
  const auto told = queue.next_interactive(8);
  for (const auto& id : told) EXPECT_EQ(queue.pop(kStart), id);
  EXPECT_EQ(queue.ahead(Priority::kInteractive), 4U);
}

// Random tenants, weights and costs; while all of them wait, what each was served differs from its share by
// at most its own and the others' largest job.
TEST(ReadyQueueProperty, LongRunSharesMatchWeights) {
  for (std::uint32_t seed = 1; seed <= 200; ++seed) {
    std::mt19937 random(seed);
    TenantLimits limits;
    const std::size_t count = 2 + random() % 5;
    for (std::size_t i = 0; i < count; ++i)
      limits.weights.emplace_back("t" + std::to_string(i), 1 + random() % 8);
    Tenants tenants(limits);
    ReadyQueue queue(&tenants);
    std::map<std::string, std::pair<std::string, double>> jobs;
    std::map<std::string, double> served;
    constexpr int kMostUnits = 50;
    int number = 0;
    const auto push = [&](const std::string& tenant) {
      const auto spec =
          job("j" + std::to_string(++number), tenant, Priority::kNormal, 1 + random() % kMostUnits);
      jobs[spec.id] = {tenant, ReadyQueue::cost_of(spec)};
      queue.push(spec, kStart);
    };
    for (const auto& [tenant, weight] : limits.weights) {
      for (int i = 0; i < 3; ++i) push(tenant);
    }
    for (int i = 0; i < 500; ++i) {
      const auto [tenant, cost] = jobs.at(*queue.pop(kStart));
      served[tenant] += cost;
      push(tenant);
      for (const auto& [a, weight_a] : limits.weights) {
        for (const auto& [b, weight_b] : limits.weights) {
          const double apart = std::abs(served[a] / weight_a - served[b] / weight_b);
          ASSERT_LE(apart, kMostUnits / weight_a + kMostUnits / weight_b) << "seed " << seed << " pop " << i;
        }
      }
    }
  }
}

// Against a plain list: nothing is lost or repeated, each tenant's jobs keep their order within a class, and
// nobody waits for ever.
TEST(ReadyQueueProperty, KeepsEveryJobOnceAndInOrder) {
  for (std::uint32_t seed = 1; seed <= 500; ++seed) {
    std::mt19937 random(seed);
    Tenants tenants({{{"t0", 5}}, 1 + random() % 6, 1000, 1000});
    ReadyQueue queue(&tenants);
    std::map<std::string, messages::JobSpec> inside;
    std::vector<std::string> flying;
    TimePoint now = kStart;
    int number = 0;
    const auto key = [](const messages::JobSpec& spec) {
      return spec.tenant + std::to_string(static_cast<int>(spec.priority));
    };
    for (int step = 0; step < 400; ++step) {
      now += std::chrono::milliseconds(random() % 2000);
      switch (random() % 5) {
        case 0:
        case 1: {
          const auto spec = job("j" + std::to_string(1000 + ++number), "t" + std::to_string(random() % 4),
                                static_cast<Priority>(random() % 3), random() % 4);
          queue.push(spec, now);
          inside[spec.id] = spec;
          break;
        }
        case 2: {
          const auto id = queue.pop(now);
          if (!id) break;
          const auto found = inside.find(*id);
          ASSERT_NE(found, inside.end()) << "seed " << seed;
          for (const auto& [other, spec] : inside)
            ASSERT_FALSE(other < *id && key(spec) == key(found->second)) << "seed " << seed << " " << other;
          ASSERT_TRUE(tenants.may_fly(found->second.tenant)) << "seed " << seed;
          tenants.flight_begun(found->second.tenant);
          flying.push_back(found->second.tenant);
          inside.erase(found);
          break;
        }
        case 3:
          if (flying.empty()) break;
          tenants.flight_ended(flying.back());
          flying.pop_back();
          break;
        default: {
          if (inside.empty()) break;
          auto at = inside.begin();
          std::advance(at, static_cast<std::ptrdiff_t>(random() % inside.size()));
          ASSERT_TRUE(queue.remove(at->first)) << "seed " << seed;
          inside.erase(at);
        }
      }
      ASSERT_EQ(queue.size(), inside.size()) << "seed " << seed;
    }
    for (const auto& tenant : flying) tenants.flight_ended(tenant);
    while (const auto id = queue.pop(now)) ASSERT_EQ(inside.erase(*id), 1U) << "seed " << seed;
    EXPECT_TRUE(inside.empty()) << "seed " << seed;
    EXPECT_EQ(tenants.known(), 0U) << "seed " << seed;
  }
}

}  // namespace
}  // namespace answermill::broker
