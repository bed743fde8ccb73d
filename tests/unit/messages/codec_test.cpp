#include "shared/messages/codec.h"

#include <gtest/gtest.h>

#include <msgpack.hpp>
#include <random>

#include "shared/base/sha256.h"
#include "shared/messages/blobs.h"
#include "shared/messages/codec_impl.h"
#include "shared/messages/documents.h"
#include "shared/messages/events.h"
#include "shared/messages/questions.h"
#include "shared/messages/work.h"

namespace answermill::messages {
namespace {

Lease sample() {
  Lease lease;
  lease.spec.id = "j1";
  lease.spec.stage = "embed";
  lease.spec.payload = std::string("\x00\xff", 2);
  lease.attempt = 3;
  lease.fence = (7ULL << 32U) | 9U;
  lease.stream.events.push_back({1, 4, StreamEventKind::kToken, 0, "héllo"});
  return lease;
}

TEST(Codec, GivesBackWhatItTook) {
  const Lease before = sample();
  const auto after = decode<Lease>(encode(before));
  ASSERT_TRUE(after);
  EXPECT_EQ(after->spec.payload, before.spec.payload);
  EXPECT_EQ(after->fence, before.fence);
  EXPECT_EQ(after->stream.events, before.stream.events);
}

// The wire may grow at its end only: a change of these bytes breaks mixed fleets.
TEST(Codec, KeepsItsGoldenBytes) {
  EXPECT_EQ(encode(Committed{"j", 1, true}), std::string("\x93\xc4\x01j\x01\xc3", 6));
  EXPECT_EQ(encode(Beat{"w", 2, 3, 4, {}, false}), std::string("\x96\xc4\x01w\x02\x03\x04\x90\xc2", 9));
  EXPECT_EQ(encode(BlobAsk{1, "h", 2, 3}), std::string("\x94\x01\xc4\x01h\x02\x03", 7));
  EXPECT_EQ(encode(BlobStop{1}), std::string("\x91\x01", 2));
  EXPECT_EQ(encode(BlobChunk{1, 2, 300}), std::string("\x93\x01\x02\xcd\x01\x2c", 6));
  EXPECT_EQ(encode(BlobRefused{1, ErrorCode::kNotFound, "m"}), std::string("\x93\x01\x03\xc4\x01m", 6));
  EXPECT_EQ(sha256_hex(encode(sample())), sha256_hex(encode(*decode<Lease>(encode(sample())))));
}

TEST(Codec, AcceptsShorterAndLongerArrays) {
  const auto shorter = decode<Committed>(std::string("\x91\xc4\x01j", 4));
  ASSERT_TRUE(shorter);
  EXPECT_EQ(shorter->job, "j");
  EXPECT_TRUE(shorter->accepted);
  const auto longer = decode<Committed>(std::string("\x95\xc4\x01j\x01\xc3\x07\xc0", 8));
  ASSERT_TRUE(longer);
  EXPECT_EQ(longer->fence, 1U);
}

// The relay reads batches as views: it must take and refuse what every other reader does.
TEST(Codec, AViewOfABatchIsTheBatchWhateverTheBytes) {
  for (std::uint32_t seed = 1; seed <= 3000; ++seed) {
    std::mt19937 random(seed);
    StreamBatch batch{std::string(random() % 40, 's'), random(), {}};
    for (std::size_t i = random() % 4; i > 0; --i) {
      batch.events.push_back({random(), random(), static_cast<StreamEventKind>(random() % 7), random() % 300,
                              std::string(random() % 60, 'd')});
    }
    std::string bytes = encode(batch);
    for (std::size_t i = random() % 3; i > 0; --i)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    if (random() % 4 == 0) bytes.resize(random() % (bytes.size() + 1));
    StreamBatchView view{"left", 7, {StreamEventView{}}};  // what was in it before must not show
    const auto decoded = decode<StreamBatch>(bytes);
    ASSERT_EQ(decode_view(bytes, view), static_cast<bool>(decoded)) << "seed " << seed;
    if (!decoded) continue;
    ASSERT_EQ(view.stream, decoded->stream) << "seed " << seed;
    ASSERT_EQ(view.epoch, decoded->epoch) << "seed " << seed;
    ASSERT_EQ(view.events.size(), decoded->events.size()) << "seed " << seed;
    for (std::size_t i = 0; i < view.events.size(); ++i)
      ASSERT_EQ(copy_of(view.events[i]), decoded->events[i]) << "seed " << seed;
  }
}

TEST(Codec, RefusesWrongTypesDepthAndSize) {
  EXPECT_FALSE(decode<Committed>(std::string("\x93\x01\x01\xc3", 4)));
  EXPECT_FALSE(decode<Committed>(std::string(4000, '\x91')));
  EXPECT_FALSE(decode<Committed>(std::string("\xdd\xff\xff\xff\xff", 5)));
  EXPECT_FALSE(decode<Committed>(""));
  EXPECT_FALSE(split_frame(""));
  EXPECT_FALSE(split_frame(std::string("\x09\x01zz", 4)));
}

// msgpack-c, the reference implementation, reads what we write and writes what we read.
// 7 MB of empty arrays that would become 500 MB of events.
TEST(Codec, BoundsWhatAMessageGrowsTo) {
  constexpr std::size_t kStreams = 100;
  constexpr std::size_t kEvents = 60'000;
  std::string state;
  detail::put_array(state, 5);
  detail::put_bytes(state, "s");
  detail::put_unsigned(state, 0);
  detail::put_unsigned(state, 1);
  detail::put_bytes(state, "");
  detail::put_array(state, kEvents);
  state.append(kEvents, '\x90');
  std::string snapshot;
  detail::put_array(snapshot, 3);
  detail::put_unsigned(snapshot, 1);
  detail::put_bytes(snapshot, "t");
  detail::put_array(snapshot, kStreams);
  for (std::size_t i = 0; i < kStreams; ++i) snapshot += state;
  ASSERT_LT(snapshot.size(), kMaxMessageBytes);
  EXPECT_FALSE(decode<Snapshot>(snapshot));
  EXPECT_TRUE(decode<StreamState>(state));
}

TEST(Codec, AgreesWithTheReferenceImplementation) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 2000; ++i) {
    const std::uint64_t number = random() >> random() % 64;
    Counter counter{std::string(number % 70000, 'x'),
                    static_cast<std::int64_t>(number) * (i % 2 == 0 ? 1 : -1)};
    const std::string ours = encode(counter);
    const auto theirs = msgpack::unpack(ours.data(), ours.size());
    ASSERT_EQ(theirs->via.array.size, 2U);
    EXPECT_EQ(theirs->via.array.ptr[0].via.bin.size, counter.name.size());
    EXPECT_EQ(theirs->via.array.ptr[1].as<std::int64_t>(), counter.value);
    msgpack::sbuffer buffer;
    msgpack::packer packer(buffer);
    packer.pack_array(5)
        .pack(counter.name)
        .pack(counter.value)
        .pack(1.5F)
        .pack(std::vector<bool>{true, false});
    packer.pack_nil();
    const auto back = decode<Counter>({buffer.data(), buffer.size()});
    ASSERT_TRUE(back) << counter.value;
    EXPECT_EQ(back->value, counter.value);
    EXPECT_EQ(back->name, counter.name);
  }
}

TEST(Codec, SurvivesDamagedBytes) {
  std::mt19937 random(1);
  const std::string good = encode(sample());
  for (int i = 0; i < 20000; ++i) {
    std::string bad = good;
    for (int flips = 0; flips < 3; ++flips) bad[random() % bad.size()] = static_cast<char>(random());
    bad.resize(random() % (bad.size() + 1));
    const auto decoded = decode<Lease>(bad);
    if (decoded) {
      EXPECT_LE(decoded->spec.payload.size(), good.size());
    }
  }
}

}  // namespace
}  // namespace answermill::messages
