#include "shared/http/sse.h"

#include <gtest/gtest.h>

#include <vector>

namespace answermill::http {
namespace {

std::vector<SseEvent> parse(const std::vector<std::string>& parts) {
  SseParser parser;
  std::vector<SseEvent> events;
  for (const auto& part : parts) {
    EXPECT_TRUE(parser.feed(part, [&](const SseEvent& event) { events.push_back(event); }));
  }
  return events;
}

TEST(SseParser, ReadsFieldsAndJoinsDataLines) {
  const auto events = parse({"event: add\nid: 7\ndata: a\ndata:b\ndata:  c\n\ndata\n\n"});
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0], (SseEvent{"add", "a\nb\n c", "7"}));
  EXPECT_EQ(events[1], (SseEvent{"message", "", "7"}));
}

TEST(SseParser, IgnoresCommentsUnknownFieldsAndEventsWithoutData) {
  EXPECT_TRUE(parse({": keep-alive\n\nevent: x\n\nfoo: bar\nid: a\n\ndata: unfinished\n"}).empty());
}

TEST(SseParser, SkipsByteOrderMarkOnceAndKeepsIdWithoutNul) {
  const auto events =
      parse({"\xEF\xBB\xBF"
             "data: 1\nid: good\n\n",
             std::string("id: b\0d\n", 8), "data: 2\n\n"});
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].data, "1");
  EXPECT_EQ(events[1].id, "good");
}

TEST(SseParser, TakesRetryOnlyFromDigits) {
  SseParser parser;
  EXPECT_TRUE(parser.feed("retry: 12a\n", [](const SseEvent&) {}));
  EXPECT_FALSE(parser.retry_ms());
  EXPECT_TRUE(parser.feed("retry: 1500\n", [](const SseEvent&) {}));
  EXPECT_EQ(parser.retry_ms(), 1500U);
}

TEST(SseParser, GivesTheSameEventsAtEverySplitAndLineEnding) {
  for (const std::string end : {"\n", "\r", "\r\n"}) {
    const std::string text = "\xEF\xBB\xBF: c" + end + "event: t" + end +
                             "data: Gr\xC3\xBC\xC3\x9F"
                             "e" +
                             end + "data:" + end + "id:1" + end + end + end + "data: x" + end + end;
    const auto whole = parse({text});
    ASSERT_EQ(whole.size(), 2U);
    EXPECT_EQ(whole[0], (SseEvent{"t",
                                  "Gr\xC3\xBC\xC3\x9F"
                                  "e\n",
                                  "1"}));
    for (std::size_t i = 0; i <= text.size(); ++i) {
      for (std::size_t j = i; j <= text.size(); ++j) {
        ASSERT_EQ(parse({text.substr(0, i), text.substr(i, j - i), text.substr(j)}), whole) << i << " " << j;
      }
    }
  }
}

TEST(SseParser, RefusesAnEndlessEvent) {
  SseParser parser(100);
  EXPECT_FALSE(parser.feed("data: " + std::string(200, 'x'), [](const SseEvent&) {}));
}

}  // namespace
}  // namespace answermill::http
