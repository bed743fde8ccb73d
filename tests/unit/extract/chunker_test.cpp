#include "workers/extract/chunker.h"

#include <gtest/gtest.h>

#include <random>

#include "workers/extract/code_points.h"

namespace answermill::extract {
namespace {

using messages::Chunk;

constexpr std::string_view kStatement =
    "Table of Contents\n\n"
    "ADOBE INC.\nCONSOLIDATED STATEMENTS OF INCOME\n(In millions, except per share data)\n\n"
    "Years Ended\nDecember 2,  December 3,  November 27,\n2022  2021  2020\n"
    "Revenue:\nSubscription  $  16,388  $  14,573  $  11,626\nProduct  532  555  507\n"
    "Total revenue  17,606  15,785  12,868\n\n"
    "Cost of revenue:\nSubscription  1,646  1,374  1,108\nTotal cost of revenue  2,165  1,865  1,722\n\n"
    "Gross profit  15,441  13,920  11,146\n\n54";

// What must hold of every page whatever is on it.
void expect_sound(std::string_view page_text, Markup markup) {
  const std::u32string text = to_code_points(page_text);
  const auto chunks = chunk_page("doc", 7, page_text, markup);
  std::vector<bool> covered(text.size(), false);
  std::uint32_t last_begin = 0;
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    const Chunk& chunk = chunks[i];
    ASSERT_EQ(chunk.page, 7U);
    ASSERT_EQ(chunk.ordinal, i + 1);
    ASSERT_EQ(chunk.id, "doc.7." + std::to_string(i + 1));
    ASSERT_LT(chunk.begin, chunk.end);
    ASSERT_LE(chunk.end, text.size());
    ASSERT_TRUE(i == 0 || chunk.begin > last_begin) << "chunks move forward";
    last_begin = chunk.begin;
    ASSERT_EQ(chunk.text, to_utf8(std::u32string_view(text).substr(chunk.begin, chunk.end - chunk.begin)));
    ASSERT_LE(chunk.end - chunk.begin, ChunkLimits{}.most + 200);
    std::fill(covered.begin() + chunk.begin, covered.begin() + chunk.end, true);
  }
  for (std::size_t i = 0; i < text.size(); ++i) ASSERT_TRUE(covered[i] || is_space(text[i])) << "at " << i;
  // No heading inside: one may only stand at a chunk's begin, with other headings before it.
  for (const Block& block : split_blocks(text, markup)) {
    if (block.type != BlockType::kHeading) continue;
    for (const Chunk& chunk : chunks) {
      if (chunk.begin >= block.begin || chunk.end <= block.begin) continue;
      for (const Block& before : split_blocks(text, markup)) {
        if (before.begin >= chunk.begin && before.end <= block.begin) {
          ASSERT_EQ(before.type, BlockType::kHeading);
        }
      }
    }
  }
}

TEST(Chunker, KeepsATableTogetherUnderItsTitle) {
  const auto chunks = chunk_page("d", 54, kStatement, Markup::kPlain);
  ASSERT_FALSE(chunks.empty());
  const auto& table = chunks.back();
  EXPECT_EQ(table.type, "table");
  EXPECT_NE(table.heading.find("CONSOLIDATED STATEMENTS OF INCOME"), std::string::npos) << table.heading;
  EXPECT_NE(table.text.find("Total revenue  17,606"), std::string::npos);
  EXPECT_NE(table.text.find("Gross profit  15,441"), std::string::npos);
  expect_sound(kStatement, Markup::kPlain);
}

TEST(Chunker, GivesNothingForAnEmptyPage) {
  EXPECT_TRUE(chunk_page("d", 1, "", Markup::kPlain).empty());
  EXPECT_TRUE(chunk_page("d", 1, " \n\n ", Markup::kPlain).empty());
}

TEST(Chunker, NeverCrossesAMarkdownHeading) {
  const std::string page =
      "# Install\n\nRun the script.\n\n## Options\n\n- one\n- two\n\n```\n# not a heading\nrun\n```\n";
  const auto chunks = chunk_page("d", 1, page, Markup::kMarkdown);
  ASSERT_EQ(chunks.size(), 2U);
  EXPECT_EQ(chunks[0].heading, "Install");
  EXPECT_EQ(chunks[0].text, "# Install\n\nRun the script.");
  EXPECT_EQ(chunks[1].heading, "Options");
  EXPECT_NE(chunks[1].text.find("# not a heading"), std::string::npos);
  expect_sound(page, Markup::kMarkdown);
}

TEST(Chunker, OverlapsBySentencesWhereASectionIsLong) {
  std::string page;
  for (int i = 0; i < 80; ++i)
    page += "Sentence number " + std::to_string(i) + " says a little about the matter. ";
  const auto chunks = chunk_page("d", 1, page, Markup::kPlain);
  ASSERT_GT(chunks.size(), 2U);
  for (std::size_t i = 1; i < chunks.size(); ++i) {
    EXPECT_LT(chunks[i].begin, chunks[i - 1].end) << "they overlap";
    EXPECT_EQ(chunks[i].text.rfind("Sentence", 0), 0U) << "and begin with a sentence";
    EXPECT_GT(chunks[i - 1].text.size(), 900U);
  }
  expect_sound(page, Markup::kPlain);
}

TEST(Chunker, CountsDenseScriptsByTokens) {
  std::string page;
  for (int i = 0; i < 100; ++i)
    page += "\u8FD9\u662F\u4E00\u4E2A\u5173\u4E8E\u6D4B\u8BD5\u7684\u53E5\u5B50\u3002";
  const auto chunks = chunk_page("d", 1, page, Markup::kPlain);
  EXPECT_GT(chunks.size(), 2U);
  for (const auto& chunk : chunks) EXPECT_LE(chunk.end - chunk.begin, 420U);
  expect_sound(page, Markup::kPlain);
}

TEST(Chunker, CutsAWordWithoutEnd) { expect_sound(std::string(20'000, 'x'), Markup::kPlain); }

TEST(Chunker, IsSoundOnRandomPages) {
  std::mt19937 random(20240601);
  const std::vector<std::string> pieces = {
      "a",
      "Word",
      "LOUD TITLE",
      "1.2 Scope",
      "\n",
      "\n\n",
      " ",
      "  ",
      ". ",
      "! ",
      "\xE4\xB8\xAD\xE6\x96\x87",
      "12,345",
      "- item",
      "(a) item",
      "|cell|cell|",
      "# ",
      "## Part",
      "```",
      "---",
      "\t",
      "\xC3\xA9t\xC3\xA9",
      "Item 7A. Risk",
      "the quick brown fox jumps over the lazy dog and runs away from it all ",
      "\xF0\x9F\x98\x80",
      "$  1,000  $  2,000"};
  for (int round = 0; round < 400; ++round) {
    std::string page;
    const auto length = random() % 400;
    for (std::size_t i = 0; i < length; ++i) page += pieces[random() % pieces.size()];
    expect_sound(page, round % 2 == 0 ? Markup::kPlain : Markup::kMarkdown);
    if (HasFatalFailure()) FAIL() << "round " << round;
  }
}

}  // namespace
}  // namespace answermill::extract
