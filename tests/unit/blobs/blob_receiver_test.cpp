#include "workers/runtime/blob_receiver.h"

#include <gtest/gtest.h>

namespace answermill::runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const std::string kHash(64, 'a');
const BlobReceiver::TimePoint kNow{std::chrono::hours(1)};

BlobReceiverConfig small() {
  BlobReceiverConfig config;
  config.chunk = 10;
  config.window = 4;
  return config;
}

class Receiving : public testing::Test {
 protected:
  BlobStep chunk(std::uint64_t offset, std::size_t length, std::uint64_t size = 95) {
    return receiver.on_chunk({1, offset, size}, std::string(length, static_cast<char>('0' + offset / 10)),
                             now);
  }
  static std::vector<std::uint64_t> offsets(const BlobStep& step) {
    std::vector<std::uint64_t> all;
    for (const auto& ask : step.asks) all.push_back(ask.offset);
    return all;
  }

  BlobReceiver receiver{small(), 1, kHash};
  BlobReceiver::TimePoint now = kNow;
};

TEST_F(Receiving, AsksForOneChunkUntilItKnowsTheSizeThenForAWindow) {
  EXPECT_EQ(offsets(receiver.begin(0, now)), (std::vector<std::uint64_t>{0}));
  const auto step = chunk(0, 10);
  EXPECT_TRUE(step.size_known);
  EXPECT_EQ(receiver.size(), 95U);
  EXPECT_EQ(offsets(step), (std::vector<std::uint64_t>{10, 20, 30, 40}));
  EXPECT_EQ(offsets(chunk(10, 10)), (std::vector<std::uint64_t>{50}));
}

TEST_F(Receiving, WritesInOrderWhateverTheOrderOfArrival) {
  receiver.begin(0, now);
  chunk(0, 10);
  EXPECT_TRUE(chunk(30, 10).append.empty());
  EXPECT_TRUE(chunk(20, 10).append.empty());
  const auto step = chunk(10, 10);
  EXPECT_EQ(step.append,
            (std::vector<std::string>{std::string(10, '1'), std::string(10, '2'), std::string(10, '3')}));
  EXPECT_EQ(receiver.have(), 40U);
}

TEST_F(Receiving, GoesOnWhereTheFileEndsAndVerifiesAtTheEnd) {
  EXPECT_EQ(offsets(receiver.begin(73, now)), (std::vector<std::uint64_t>{73}));
  EXPECT_EQ(offsets(chunk(73, 10)), (std::vector<std::uint64_t>{83, 93}));
  EXPECT_FALSE(chunk(83, 10).verify);
  EXPECT_TRUE(chunk(93, 2).verify);
  EXPECT_EQ(receiver.counts().received, 22U);
  EXPECT_FALSE(receiver.on_verified(true, now).failed);
}

TEST_F(Receiving, AFileThatIsWholeAlreadyIsOnlyVerified) {
  receiver.begin(95, now);
  EXPECT_TRUE(chunk(95, 0).verify);
}

TEST_F(Receiving, AnEmptyBlobIsWholeAtOnce) {
  receiver.begin(0, now);
  const auto step = chunk(0, 0, 0);
  EXPECT_TRUE(step.verify);
  EXPECT_TRUE(step.append.empty());
}

TEST_F(Receiving, AFileLongerThanTheBlobStartsOver) {
  receiver.begin(200, now);
  const auto step = chunk(200, 0);
  EXPECT_TRUE(step.start_over);
  EXPECT_EQ(step.asks.front().offset, 0U);
}

TEST_F(Receiving, IgnoresWhatItDidNotAskForAndWrongLengths) {
  receiver.begin(0, now);
  chunk(0, 10);
  EXPECT_TRUE(chunk(0, 10).append.empty()) << "again";
  EXPECT_TRUE(chunk(90, 5).append.empty()) << "beyond the window";
  EXPECT_TRUE(chunk(10, 9).append.empty()) << "too short";
  EXPECT_TRUE(chunk(10, 10, 96).append.empty()) << "of a blob of another size";
  EXPECT_EQ(receiver.counts().duplicate, 34U);
  EXPECT_EQ(chunk(10, 10).append.size(), 1U) << "the ask still stands";
}

TEST_F(Receiving, AsksAgainAfterSilenceMoreAndMoreSlowlyAndGivesUp) {
  receiver.begin(0, now);
  chunk(0, 10);
  std::vector<milliseconds> gaps;
  auto last = now;
  std::optional<Error> failed;
  while (!failed) {
    now = receiver.next_tick();
    const auto step = receiver.on_tick(now);
    if (!step.asks.empty()) {
      EXPECT_EQ(offsets(step), (std::vector<std::uint64_t>{10, 20, 30, 40}));
      gaps.push_back(std::chrono::duration_cast<milliseconds>(now - last));
      last = now;
    }
    failed = step.failed;
  }
  EXPECT_EQ(failed->code, ErrorCode::kUnavailable);
  EXPECT_EQ(now - kNow, seconds(60));
  EXPECT_EQ(gaps.front(), milliseconds(1000));
  EXPECT_EQ(gaps.back(), milliseconds(8000));
  EXPECT_TRUE(receiver.on_tick(now + seconds(9)).asks.empty()) << "it is over";
}

TEST_F(Receiving, ASlowLinkIsNotSilence) {
  receiver.begin(0, now);
  now += milliseconds(900);
  chunk(0, 10);
  for (std::uint64_t offset = 10; offset < 90; offset += 10) {
    now += milliseconds(1800);  // more than the shortest silence
    EXPECT_TRUE(receiver.on_tick(now).asks.empty()) << offset;
    chunk(offset, 10);
  }
  EXPECT_EQ(receiver.counts().asked_again, 0U);
}

TEST_F(Receiving, AWrongHashStartsOverOnceThenFails) {
  receiver.begin(0, now);
  chunk(0, 8, 8);
  auto step = receiver.on_verified(false, now);
  EXPECT_TRUE(step.start_over);
  EXPECT_EQ(offsets(step), (std::vector<std::uint64_t>{0}));
  EXPECT_TRUE(chunk(0, 8, 8).verify);
  step = receiver.on_verified(false, now);
  ASSERT_TRUE(step.failed);
  EXPECT_EQ(step.failed->code, ErrorCode::kDamaged);
  EXPECT_EQ(receiver.counts().damaged, 2U);
}

TEST_F(Receiving, ARefusalEndsItUnlessTheBrokerIsOnlyBusy) {
  receiver.begin(0, now);
  EXPECT_FALSE(receiver.on_refused({1, ErrorCode::kBusy, "later"}).failed);
  const auto step = receiver.on_refused({1, ErrorCode::kNotFound, "gone"});
  ASSERT_TRUE(step.failed);
  EXPECT_EQ(step.failed->code, ErrorCode::kNotFound);
  EXPECT_TRUE(chunk(0, 10).append.empty());
  EXPECT_EQ(receiver.next_tick(), BlobReceiver::TimePoint::max());
}

}  // namespace
}  // namespace answermill::runtime
