#include "broker/queue/ready_queue.h"

#include <gtest/gtest.h>

namespace answermill::broker {
namespace {

using messages::Priority;
const TimePoint kStart{};

TEST(ReadyQueue, ServesInteractiveBeforeBulk) {
  ReadyQueue queue;
  queue.push("bulk", "t", Priority::kBulk, kStart);
  queue.push("question", "t", Priority::kInteractive, kStart);
  EXPECT_EQ(queue.pop(kStart), "question");
  EXPECT_EQ(queue.pop(kStart), "bulk");
  EXPECT_EQ(queue.pop(kStart), std::nullopt);
}

TEST(ReadyQueue, LetsTenantsTakeTurns) {
  ReadyQueue queue;
  for (int i = 0; i < 3; ++i) queue.push("flood" + std::to_string(i), "flooder", Priority::kBulk, kStart);
  queue.push("one", "quiet", Priority::kBulk, kStart);
  EXPECT_EQ(queue.pop(kStart), "flood0");
  EXPECT_EQ(queue.pop(kStart), "one");
  EXPECT_EQ(queue.pop(kStart), "flood1");
}

TEST(ReadyQueue, AgesWhatWaitsLong) {
  ReadyQueue queue;
  queue.push("old", "t", Priority::kBulk, kStart);
  const TimePoint later = kStart + 3 * ReadyQueue::kAgeing;
  queue.push("new", "t", Priority::kInteractive, later);
  EXPECT_EQ(queue.pop(later), "old");
}

TEST(ReadyQueue, RemovesFromTheMiddle) {
  ReadyQueue queue;
  for (const char* job : {"a", "b", "c"}) queue.push(job, "t", Priority::kNormal, kStart);
  EXPECT_TRUE(queue.remove("b", "t", Priority::kNormal));
  EXPECT_FALSE(queue.remove("b", "t", Priority::kNormal));
  EXPECT_EQ(queue.drain(), (std::deque<std::string>{"a", "c"}));
  EXPECT_EQ(queue.size(), 0U);
}

}  // namespace
}  // namespace answermill::broker
