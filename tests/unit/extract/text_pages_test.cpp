#include "workers/extract/text_pages.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vector>

#include "shared/base/unix_fd.h"
#include "shared/text/utf8.h"

namespace answermill::extract {
namespace {

UniqueFd file_of(std::string_view bytes) {
  UniqueFd fd(memfd_create("text", MFD_CLOEXEC));
  EXPECT_EQ(write(fd.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  return fd;
}

std::vector<TextPages::Page> pages_of(std::string_view bytes, const std::string& encoding, Markup markup,
                                      std::uint64_t begin = 0) {
  const UniqueFd fd = file_of(bytes);
  TextPages pages(fd.get(), bytes.size(), encoding, markup, begin);
  std::vector<TextPages::Page> out;
  for (;;) {
    auto page = pages.next();
    EXPECT_TRUE(page);
    if (!page || !*page) return out;
    out.push_back(std::move(**page));
  }
}

std::string paragraphs(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    text += "Paragraph " + std::to_string(i) + " has a few sent\xC3\xAAnces. ";
    for (int j = 0; j < i % 17; ++j) text += "This is one of them, and another follows it. ";
    text += i % 5 == 0 ? "\n\n# Part\n\n" : "\n\n";
  }
  return text;
}

TEST(TextPages, HoldTheWholeTextInOrder) {
  const std::string text = paragraphs(400);
  for (const Markup markup : {Markup::kPlain, Markup::kMarkdown}) {
    std::string joined;
    std::uint64_t at = 0;
    for (const auto& page : pages_of(text, "UTF-8", markup)) {
      EXPECT_EQ(page.begin, at);
      at = page.end;
      joined += page.text;
      EXPECT_LE(text::count_code_points(page.text), kPageMost);
    }
    EXPECT_EQ(joined, text);
    EXPECT_EQ(at, text.size());
  }
}

TEST(TextPages, AreTheSameFromAnyPageOn) {
  const std::string text = paragraphs(900);
  const auto all = pages_of(text, "UTF-8", Markup::kMarkdown);
  ASSERT_GT(all.size(), 50U);
  for (std::size_t start = 0; start < all.size(); start += 7) {
    const auto some = pages_of(text, "UTF-8", Markup::kMarkdown, all[start].begin);
    ASSERT_EQ(some.size(), all.size() - start);
    for (std::size_t i = 0; i < some.size(); ++i) ASSERT_EQ(some[i].text, all[start + i].text);
  }
}

TEST(TextPages, BeginWithAHeadingWhereThereIsOne) {
  std::size_t headings = 0;
  const auto pages = pages_of(paragraphs(400), "UTF-8", Markup::kMarkdown);
  for (const auto& page : pages) headings += page.text.rfind("# ", 0) == 0 ? 1 : 0;
  EXPECT_GT(headings * 10, pages.size() * 7);
}

TEST(TextPages, CutTextWithoutLinesOrSpaces) {
  const std::string text(100'000, 'x');
  const auto pages = pages_of(text, "UTF-8", Markup::kPlain);
  EXPECT_EQ(pages.size(), (text.size() + kPageMost - 1) / kPageMost);
}

TEST(TextPages, CountBytesOfTheSource) {
  std::string wide;
  for (int i = 0; i < 20'000; ++i) wide += std::string("a\0", 2);
  const auto pages = pages_of(wide, "UTF-16LE", Markup::kPlain);
  std::size_t characters = 0;
  for (const auto& page : pages) {
    EXPECT_EQ(page.end - page.begin, 2 * page.text.size());
    characters += page.text.size();
  }
  EXPECT_EQ(characters, 20'000U);
}

TEST(TextPages, SurviveIllFormedBytes) {
  std::string text = paragraphs(50);
  for (std::size_t i = 11; i < text.size(); i += 97) text[i] = '\xFF';
  std::uint64_t at = 0;
  for (const auto& page : pages_of(text, "UTF-8", Markup::kPlain)) {
    EXPECT_TRUE(text::is_valid_utf8(page.text));
    EXPECT_EQ(page.begin, at);
    at = page.end;
  }
  EXPECT_EQ(at, text.size());
}

TEST(TextPages, EncodingIsThatOfTheWholeFile) {
  std::string late(100'000, 'a');
  for (std::size_t i = 60; i < late.size(); i += 60) late[i] = '\n';
  for (int i = 0; i < 50; ++i)
    late +=
        "Die Stra\xDF"
        "e f\xFChrt \xFC"
        "ber die Br\xFC"
        "cke am Flu\xDF.\n";
  const UniqueFd fd = file_of(late);
  EXPECT_EQ(*detect_file_encoding(fd.get(), late.size()), "WINDOWS-1252");
}

}  // namespace
}  // namespace answermill::extract
