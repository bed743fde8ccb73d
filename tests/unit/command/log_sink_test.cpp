#include "frontend/command/fleet/log_sink.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "shared/base/unix_fd.h"

namespace answermill::command {
namespace {

TEST(LinePrefixer, PrefixesWholeLinesAtEverySplit) {
  const std::string text = "one\ntwo\r\n\nthree";
  for (std::size_t split = 0; split <= text.size(); ++split) {
    LinePrefixer lines("x | ");
    std::string out = lines.feed(text.substr(0, split));
    out += lines.feed(text.substr(split));
    EXPECT_EQ(out, "x | one\nx | two\nx | \n");
    EXPECT_EQ(lines.finish(), "x | three\n");
    EXPECT_EQ(lines.finish(), "");
  }
}

TEST(LinePrefixer, CutsEndlessLines) {
  LinePrefixer lines("");
  const std::string out = lines.feed(std::string(3 * LinePrefixer::kLongestLine + 5, 'a'));
  EXPECT_EQ(out.size(), 3 * (LinePrefixer::kLongestLine + 1));
  EXPECT_EQ(lines.finish(), "aaaaa\n");
}

TEST(LinePrefix, PadsAndColours) {
  EXPECT_EQ(line_prefix("up", 5, 0, false), "up    | ");
  EXPECT_EQ(line_prefix("up", 2, 0, true), "\033[36mup | \033[0m");
}

TEST(LogSink, NeverBlocksAndCountsWhatItDrops) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd reading(ends[0]);
  const UniqueFd writing(ends[1]);
  LogSink sink(writing.get());
  const std::string line(1000, 'x');
  for (int count = 0; count < 3000; ++count) sink.write(line + "\n");  // 3 MB into a pipe nobody reads
  EXPECT_TRUE(sink.pending());
  std::string seen;
  char buffer[65'536];
  ::fcntl(reading.get(), F_SETFL, O_NONBLOCK);
  for (;;) {
    const ssize_t count = ::read(reading.get(), buffer, sizeof buffer);
    if (count > 0) {
      seen.append(buffer, static_cast<std::size_t>(count));
      sink.flush();
    } else {
      break;
    }
  }
  EXPECT_FALSE(sink.pending());
  EXPECT_GE(seen.size(), LogSink::kMostPending);
  EXPECT_NE(seen.find("bytes of log were dropped"), std::string::npos);
}

}  // namespace
}  // namespace answermill::command
