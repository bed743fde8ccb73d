#include "broker/blobs/blob_sender.h"

#include <gtest/gtest.h>

namespace answermill::broker {
namespace {

using messages::BlobAsk;
using std::chrono::milliseconds;
using Taken = BlobSender::Taken;

const std::string kHash(64, 'a');
const BlobSender::TimePoint kNow{std::chrono::hours(1)};

BlobAsk ask(std::uint64_t transfer, std::uint64_t offset) { return {transfer, kHash, offset, 1000}; }

TEST(BlobSender, TransfersTakeTurnsChunkByChunk) {
  BlobSender sender({});
  for (std::uint64_t i = 0; i < 3; ++i) sender.on_ask("a", ask(1, i * 1000));
  sender.on_ask("b", ask(1, 0));
  sender.on_ask("a", ask(2, 0));
  std::string order;
  while (const auto turn = sender.next(kNow)) order += turn->route + std::to_string(turn->ask.transfer) + " ";
  EXPECT_EQ(order, "a1 b1 a2 a1 a1 ");
  EXPECT_TRUE(sender.idle());
}

TEST(BlobSender, AnAskThatWaitsIsNotQueuedTwice) {
  BlobSender sender({});
  EXPECT_EQ(sender.on_ask("a", ask(1, 0)), Taken::kQueued);
  EXPECT_EQ(sender.on_ask("a", ask(1, 0)), Taken::kRepeated);
  EXPECT_TRUE(sender.next(kNow));
  EXPECT_FALSE(sender.next(kNow));
  EXPECT_EQ(sender.on_ask("a", ask(1, 0)), Taken::kQueued) << "it was sent and got lost";
}

TEST(BlobSender, BoundsWhatWaitsPerPeer) {
  BlobSenderConfig config;
  config.most_asks = 4;
  BlobSender sender(config);
  for (std::uint64_t i = 0; i < 4; ++i) EXPECT_EQ(sender.on_ask("a", ask(i, 0)), Taken::kQueued);
  EXPECT_EQ(sender.on_ask("a", ask(9, 0)), Taken::kDropped);
  EXPECT_EQ(sender.on_ask("b", ask(9, 0)), Taken::kQueued);
  EXPECT_EQ(sender.waiting("a"), 4U);
}

TEST(BlobSender, RefusesAsksThatNobodyShouldMake) {
  BlobSender sender({});
  EXPECT_EQ(sender.on_ask("a", {1, kHash, 0, 0}), Taken::kMalformed);
  EXPECT_EQ(sender.on_ask("a", {1, kHash, 0, messages::kBlobChunkBytes + 1}), Taken::kMalformed);
  EXPECT_EQ(sender.on_ask("a", {1, std::string(1000, 'a'), 0, 1}), Taken::kMalformed);
  EXPECT_TRUE(sender.idle());
}

TEST(BlobSender, APeerWithoutRoomKeepsItsPlaceAndHoldsUpNobody) {
  BlobSender sender({});
  sender.on_ask("slow", ask(1, 0));
  sender.on_ask("slow", ask(1, 1000));
  sender.on_ask("quick", ask(1, 0));
  auto turn = sender.next(kNow);
  ASSERT_EQ(turn->route, "slow");
  sender.full(std::move(*turn), kNow);
  ASSERT_EQ(sender.next(kNow)->route, "quick");
  EXPECT_FALSE(sender.next(kNow));
  EXPECT_FALSE(sender.idle());
  const auto wait = sender.wait(kNow);
  EXPECT_GT(wait, milliseconds(0));
  turn = sender.next(kNow + wait);
  ASSERT_TRUE(turn);
  EXPECT_EQ(turn->ask.offset, 0U) << "in its order";
}

TEST(BlobSender, ForgetsAPeerThatIsGoneAndATransferThatWasStopped) {
  BlobSender sender({});
  sender.on_ask("a", ask(1, 0));
  sender.on_ask("a", ask(2, 0));
  sender.on_ask("b", ask(1, 0));
  sender.on_ask("b", ask(2, 0));
  sender.gone("a");
  sender.on_stop("b", 1);
  sender.on_stop("b", 7);
  const auto turn = sender.next(kNow);
  ASSERT_TRUE(turn);
  EXPECT_EQ(turn->route + std::to_string(turn->ask.transfer), "b2");
  EXPECT_TRUE(sender.idle());
  EXPECT_EQ(sender.waiting("a") + sender.waiting("b"), 0U);
}

TEST(BlobSender, KeepsToItsRate) {
  BlobSenderConfig config;
  config.bytes_per_second = 100'000;
  BlobSender sender(config);
  for (std::uint64_t i = 0; i < 300; ++i) sender.on_ask("a", ask(1, i * 1000));
  std::uint64_t bytes = 0;
  for (auto now = kNow; now < kNow + std::chrono::seconds(2); now += milliseconds(1)) {
    while (sender.next(now)) {
      sender.sent(1000, now);
      bytes += 1000;
    }
    EXPECT_GT(sender.wait(now), milliseconds(0));
  }
  EXPECT_NEAR(static_cast<double>(bytes), 200'000, 8'000);
}

}  // namespace
}  // namespace answermill::broker
