#include "workers/generate/citation_marks.h"

#include <gtest/gtest.h>

#include <string>

namespace answermill::generate {
namespace {

std::vector<Mark> scan(const std::vector<std::string>& parts) {
  MarkScanner scanner;
  std::vector<Mark> marks;
  for (const auto& part : parts) scanner.feed(part, marks);
  return marks;
}

TEST(MarkScanner, FindsSingleMarksAndLists) {
  EXPECT_EQ(scan({"A [1]. B [12][3] C [2, 14] D [ 5 ]"}),
            (std::vector<Mark>{{1, 2, 5}, {12, 9, 13}, {3, 13, 16}, {2, 20, 21}, {14, 23, 25}, {5, 29, 34}}));
}

TEST(MarkScanner, LeavesOtherBracketsAlone) {
  EXPECT_TRUE(scan({"[a] [] [1 [x1] [12345] [1;2] [1,] [-1] ]"}).empty());
  EXPECT_EQ(scan({"[[1]]"}), (std::vector<Mark>{{1, 1, 4}}));
}

TEST(MarkScanner, FindsTheSameAtEverySplit) {
  const std::string text =
      "Gr\xC3\xBC\xC3\x9F"
      "e [1], [2,3] [x][ 40 ] [[7]][12345] end [9";
  const auto whole = scan({text});
  ASSERT_EQ(whole.size(), 5U);
  for (std::size_t i = 0; i <= text.size(); ++i) {
    for (std::size_t j = i; j <= text.size(); ++j) {
      ASSERT_EQ(scan({text.substr(0, i), text.substr(i, j - i), text.substr(j)}), whole) << i << " " << j;
    }
  }
}

}  // namespace
}  // namespace answermill::generate
