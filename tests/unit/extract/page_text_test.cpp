#include "workers/extract/page_text.h"

#include <gtest/gtest.h>

#include <random>

#include "shared/text/utf8.h"

namespace answermill::extract {
namespace {

TEST(PageText, KeepsATableRowOnOneLine) {
  EXPECT_EQ(normalise_pdf_page("   Total revenue            17,606        15,785   \n\n\n\n   54\n"),
            "Total revenue  17,606  15,785\n\n54");
}

TEST(PageText, SpellsOutLigaturesAndDropsInvisibles) {
  EXPECT_EQ(normalise_pdf_page("e\xEF\xAC\x83"
                               "cient of\xEF\xAC\x81"
                               "ce co\xC2\xADop\xE2\x80\x8B x\xC2\xA0y\x01\x7F\xEF\xBB\xBF"),
            "efficient offi"
            "ce coop x y");
}

TEST(PageText, ReplacesIllFormedBytes) {
  EXPECT_EQ(normalise_pdf_page("a\xFF"
                               "b"),
            "a\xEF\xBF\xBD"
            "b");
}

TEST(PageText, JoinsHyphenatedWords) {
  EXPECT_EQ(normalise_pdf_page("consectetuer adip-\niscing elit. Ut\npurus"),
            "consectetuer adipiscing\nelit. Ut\npurus");
  EXPECT_EQ(normalise_pdf_page("a long-term plan for long-\nterm goals"),
            "a long-term plan for long-term\ngoals");
  EXPECT_EQ(normalise_pdf_page("pages 10-\n12 of it"), "pages 10-\n12 of it");
}

TEST(PageText, PutsColumnsOfProseOneAfterTheOther) {
  std::string page = "                 A Paper in Two Columns\n\n";
  for (int i = 0; i < 12; ++i) {
    page += "the left column says something here" + std::string(8, ' ') +
            "while the right column goes on there\n";
  }
  const std::string text = normalise_pdf_page(page);
  EXPECT_EQ(text.rfind("A Paper in Two Columns", 0), 0U);
  EXPECT_LT(text.rfind("the left column"), text.find("while the right column"));
}

TEST(PageText, LeavesTablesOfWordsAlone) {
  std::string page;
  for (int i = 0; i < 12; ++i)
    page += "Name of officer        52        Senior Vice President and Chief Officer\n";
  EXPECT_NE(normalise_pdf_page(page).find("Name of officer  52  Senior"), std::string::npos);
}

TEST(PageText, KeepsIndentationOfTextFiles) {
  EXPECT_EQ(normalise_text_page("  a:\r\n    b\rc\n\n\n\nd  \n"), "a:\n    b\nc\n\nd");
}

TEST(PageText, IsAlwaysValidAndBounded) {
  std::mt19937 random(5);
  for (int round = 0; round < 200; ++round) {
    std::string bytes(random() % 3000, '\0');
    for (char& c : bytes) c = static_cast<char>(random() % 4 == 0 ? ' ' : random() % 256);
    for (const std::string& text : {normalise_pdf_page(bytes), normalise_text_page(bytes)}) {
      ASSERT_TRUE(text::is_valid_utf8(text));
      ASSERT_EQ(text.find('\0'), std::string::npos);
      ASSERT_EQ(text.find("\n\n\n"), std::string::npos);
    }
  }
  EXPECT_LE(normalise_pdf_page(std::string(5'000'000, 'x')).size(), kMaxPageBytes);
}

}  // namespace
}  // namespace answermill::extract
