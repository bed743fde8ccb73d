#include "workers/generate/sentences.h"

#include <gtest/gtest.h>

#include <string>

namespace answermill::generate {
namespace {

std::vector<std::string> pieces(std::string_view text) {
  std::vector<std::string> out;
  for (const Piece& piece : split_pieces(text))
    out.emplace_back(text.substr(piece.begin, piece.end - piece.begin));
  return out;
}

using Strings = std::vector<std::string>;

TEST(Sentences, JoinsWrappedLinesAndCutsAtSentenceEnds) {
  EXPECT_EQ(pieces("The company was founded\nin 1902. It makes tape! Does it? Yes."),
            (Strings{"The company was founded\nin 1902.", "It makes tape!", "Does it?", "Yes."}));
}

TEST(Sentences, KeepsAbbreviationsNumbersAndInitialsTogether) {
  EXPECT_EQ(pieces("Mr. J. Smith of Acme Inc. paid $3.5 million to the U.S. Treasury. He left."),
            (Strings{"Mr. J. Smith of Acme Inc. paid $3.5 million to the U.S. Treasury.", "He left."}));
}

TEST(Sentences, GivesTableRowsOneByOne) {
  const std::string text =
      "Year ended December 31\nNet sales $ 34,229 $ 35,355\nCost of sales 19,232 18,795\nTotal 1 2";
  const auto found = split_pieces(text);
  ASSERT_EQ(found.size(), 4U);
  EXPECT_TRUE(found[1].tabular);
  EXPECT_EQ(text.substr(found[2].begin, found[2].end - found[2].begin), "Cost of sales 19,232 18,795");
}

TEST(Sentences, CutsChineseAndBulletsAndBlankLines) {
  EXPECT_EQ(pieces("今天很好。明天也好。"), (Strings{"今天很好。", "明天也好。"}));
  EXPECT_EQ(pieces("Intro text follows here\n\n• first thing\n• second thing"),
            (Strings{"Intro text follows here", "• first thing", "• second thing"}));
}

TEST(Sentences, BoundsPiecesAndNeverOverlaps) {
  std::string text;
  for (int i = 0; i < 800; ++i) text += "wörd ";
  std::size_t before = 0;
  for (const Piece& piece : split_pieces(text)) {
    EXPECT_GE(piece.begin, before);
    EXPECT_LE(piece.end - piece.begin, 700U);
    before = piece.end;
  }
  EXPECT_TRUE(pieces("").empty());
  EXPECT_TRUE(pieces(" \n \n").empty());
}

}  // namespace
}  // namespace answermill::generate
