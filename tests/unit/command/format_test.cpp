#include "frontend/command/client/format.h"

#include <gtest/gtest.h>

namespace answermill::command {
namespace {

using std::chrono::milliseconds;

TEST(Format, Bytes) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(999), "999 B");
  EXPECT_EQ(format_bytes(1'366'995), "1.4 MB");
  EXPECT_EQ(format_bytes(45'000'000), "45 MB");
  EXPECT_EQ(format_bytes(999'999), "1.0 MB");
}

TEST(Format, Counts) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_count(1'600), "1,600");
  EXPECT_EQ(format_count(1'234'567), "1,234,567");
}

TEST(Format, Durations) {
  EXPECT_EQ(format_duration(milliseconds{420}), "0.4 s");
  EXPECT_EQ(format_duration(milliseconds{14'200}), "14 s");
  EXPECT_EQ(format_duration(milliseconds{125'000}), "2 min 5 s");
  EXPECT_EQ(format_duration(milliseconds{7'260'000}), "2 h 1 min");
  EXPECT_EQ(format_duration(milliseconds{-5}), "0.0 s");
}

TEST(Format, NothingOfTheServersReachesTheTerminalAsAControl) {
  EXPECT_EQ(printable("a\033[31mb\x07\nc\td\xC2\x9B"
                      "31m"),
            "a[31mb\nc\td31m");
  EXPECT_EQ(one_line("  a\n\n b\033]0;x\x07  "), "a b]0;x");
  EXPECT_EQ(printable("héllo 🌍"), "héllo 🌍");
}

TEST(Format, ShortensByCodePoints) {
  EXPECT_EQ(shortened("überlang", 4), "übe…");
  EXPECT_EQ(shortened("kurz", 4), "kurz");
  EXPECT_EQ(fitted("ü", 3), "ü  ");
  EXPECT_EQ(shortened("x", 0), "");
}

TEST(Format, Tables) {
  EXPECT_EQ(format_table({{"ID", "NAME"}, {"1234", "ä"}, {"5", "b c"}}), "ID    NAME\n1234  ä\n5     b c\n");
}

}  // namespace
}  // namespace answermill::command
