#include "shared/streams/stream_log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace answermill::streams {
namespace {

using messages::StreamEvent;
using messages::StreamEventKind;
using Applied = StreamLog::Applied;

constexpr char kStream[] = "aaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbb";

// What a reader ends up with that applies events as a client does: by offset.
struct Reader {
  std::string text;
  std::uint64_t seq = 0;
  int terminals = 0;
  void take(const std::vector<StreamEvent>& events) {
    for (const auto& event : events) {
      if (event.kind == StreamEventKind::kToken) text = text.substr(0, event.offset) + event.data;
      if (event.kind == StreamEventKind::kRewind)
        text.resize(std::min<std::size_t>(text.size(), event.offset));
      if (event.kind == StreamEventKind::kTerminal) ++terminals;
      seq = event.last_seq;
    }
  }
};

TEST(StreamLog, JoinsTokensForAReaderThatIsBehind) {
  StreamLog log(kStream);
  for (const char* word : {"one ", "two ", "three"}) log.append_token(word);
  const auto all = log.read(0, 1000);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].data, "one two three");
  EXPECT_EQ(all[0].first_seq, 1U);
  EXPECT_EQ(all[0].last_seq, 3U);
  const auto rest = log.read(2, 1000);
  ASSERT_EQ(rest.size(), 1U);
  EXPECT_EQ(rest[0].data, "three");
  EXPECT_EQ(rest[0].offset, 8U);
}

TEST(StreamLog, NamesAGapAndADuplicate) {
  StreamLog writer(kStream);
  StreamLog log(kStream);
  const auto first = writer.append_token("a");
  const auto second = writer.append_token("b");
  EXPECT_EQ(log.apply(1, second), Applied::kGap);
  EXPECT_EQ(log.apply(1, first), Applied::kNew);
  EXPECT_EQ(log.apply(1, first), Applied::kDuplicate);
  EXPECT_EQ(log.apply(1, second), Applied::kNew);
  EXPECT_EQ(log.text(), "ab");
}

TEST(StreamLog, RefusesAStaleEpochAndWhatFollowsTheEnd) {
  StreamLog log(kStream);
  log.set_epoch(5);
  EXPECT_EQ(log.apply(4, {1, 1, StreamEventKind::kToken, 0, "x"}), Applied::kStale);
  EXPECT_EQ(log.apply(5, {1, 1, StreamEventKind::kTerminal, 0, ""}), Applied::kNew);
  EXPECT_EQ(log.apply(5, {2, 2, StreamEventKind::kToken, 0, "x"}), Applied::kFinished);
}

TEST(StreamLog, TakesOnlyTheNewPartOfAnOverlappingRun) {
  StreamLog log(kStream);
  log.apply(1, {1, 1, StreamEventKind::kToken, 0, "hello "});
  EXPECT_EQ(log.apply(1, {1, 3, StreamEventKind::kToken, 0, "hello world"}), Applied::kNew);
  EXPECT_EQ(log.text(), "hello world");
  EXPECT_EQ(log.last_seq(), 3U);
}

TEST(StreamLog, RewindsReadersOnBothSidesOfTheCut) {
  StreamLog log(kStream);
  log.append_token("keep");
  Reader early;
  early.take(log.read(0, 1000));
  log.append_token(" drop");
  Reader late;
  late.take(log.read(0, 1000));
  log.append_rewind(4);
  log.append_token(" new");
  early.take(log.read(early.seq, 1000));
  late.take(log.read(late.seq, 1000));
  EXPECT_EQ(early.text, "keep new");
  EXPECT_EQ(late.text, "keep new");
}

TEST(StreamLog, TellsAReaderThatSawMoreThanSurvived) {
  StreamLog log(kStream);
  log.append_token("short");
  const auto events = log.read(9, 1000);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].kind, StreamEventKind::kRewind);
  EXPECT_EQ(events[0].offset, 5U);
}

TEST(StreamLog, SurvivesTheTripThroughItsState) {
  StreamLog log(kStream);
  log.append(StreamEventKind::kSources, "s");
  log.append_token("ä");
  log.append_token("b");
  log.append_rewind(2);
  log.append_token("c");
  const StreamLog copy(log.state());
  EXPECT_EQ(copy.text(), log.text());
  EXPECT_EQ(copy.next_seq(), log.next_seq());
  EXPECT_EQ(copy.read(0, 1000), log.read(0, 1000));
}

// Any loss, duplication, reordering and coalescing on the way, with replay of gaps, ends in the writer's
// text.
TEST(StreamLog, AnyInterleavingEndsInTheSameText) {
  for (std::uint32_t seed = 0; seed < 300; ++seed) {
    std::mt19937 random(seed);
    StreamLog writer(kStream);
    StreamLog relay(kStream);
    Reader reader;
    std::vector<StreamEvent> on_the_way;
    const auto chance = [&](int percent) { return static_cast<int>(random() % 100) < percent; };
    for (int step = 0; step < 120; ++step) {
      if (step == 119) {
        on_the_way.push_back(writer.append(StreamEventKind::kTerminal, "end"));
      } else if (chance(5)) {
        on_the_way.push_back(writer.append_rewind(random() % (writer.text().size() + 1)));
      } else if (chance(10)) {
        on_the_way.push_back(writer.append(StreamEventKind::kCitation, "c"));
      } else {
        on_the_way.push_back(
            writer.append_token(std::string(1 + random() % 3, static_cast<char>('a' + step % 26))));
      }
      if (chance(20)) std::shuffle(on_the_way.begin(), on_the_way.end(), random);
      if (chance(50)) continue;
      for (const auto& event : on_the_way) {
        if (chance(10)) continue;  // lost
        if (relay.apply(1, event) == Applied::kGap) {
          for (const auto& again : writer.read(relay.last_seq(), 1 + random() % 40)) relay.apply(1, again);
        }
        if (chance(10)) relay.apply(1, event);  // twice
      }
      on_the_way.clear();
      if (chance(40)) reader.take(relay.read(reader.seq, 1 + random() % 30));
      if (chance(5)) relay = StreamLog(relay.state());
    }
    while (relay.last_seq() < writer.last_seq()) {
      for (const auto& again : writer.read(relay.last_seq(), 64)) relay.apply(1, again);
    }
    while (reader.seq < relay.last_seq()) reader.take(relay.read(reader.seq, 16));
    ASSERT_EQ(relay.text(), writer.text()) << "seed " << seed;
    ASSERT_EQ(reader.text, writer.text()) << "seed " << seed;
    ASSERT_EQ(reader.terminals, 1) << "seed " << seed;
  }
}

}  // namespace
}  // namespace answermill::streams
