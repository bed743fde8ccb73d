#include "workers/generate/extractive.h"

#include <gtest/gtest.h>

#include "shared/text/utf8.h"

namespace answermill::generate {
namespace {

messages::GenerateAnswer work(std::string question, const std::vector<std::string>& texts) {
  messages::GenerateAnswer w;
  w.request.question = std::move(question);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    messages::Passage p;
    p.number = static_cast<std::uint32_t>(i + 1);
    p.document = "d";
    p.page = static_cast<std::uint32_t>(10 + i);
    p.begin = 50;
    p.end = 50 + static_cast<std::uint32_t>(text::count_code_points(texts[i]));
    p.text = texts[i];
    w.sources.passages.push_back(std::move(p));
  }
  w.sources.coverage.pages = w.sources.coverage.total_pages = 7;
  return w;
}

std::string text_of(const QuotedAnswer& answer) {
  std::string text;
  for (const auto& step : answer.steps) text += step.text;
  return text;
}

TEST(Extractive, QuotesTheAnsweringSentenceFirst) {
  const auto w =
      work("When was the lighthouse built?",
           {"The lighthouse stands on a rock. It was painted in red. Fish is sold nearby.",
            "The café is new. The lighthouse was built in 1857 by order of the king. Boats pass."});
  const auto answer = quote_answer(w);
  EXPECT_EQ(answer.mode, "quoting");
  ASSERT_GE(answer.steps.size(), 2U);
  EXPECT_EQ(answer.steps[0].text, kQuotingPreface);
  EXPECT_EQ(answer.steps[1].text, "The lighthouse was built in 1857 by order of the king. [2]");
}

TEST(Extractive, EveryCitationIsExact) {
  const auto w = work("How much were net sales and what is the größte number?",
                      {"Größe.\nNet sales 34,229 35,355\nCost of sales 19,232 18,795",
                       "The größte number is ∞. Net sales grew."});
  const auto answer = quote_answer(w);
  const std::string text = text_of(answer);
  std::size_t cited = 0;
  std::size_t at = 0;
  for (const auto& step : answer.steps) {
    at += step.text.size();
    if (!step.citation) continue;
    ++cited;
    const auto& c = *step.citation;
    const auto& p = w.sources.passages[c.number - 1];
    EXPECT_TRUE(c.exact);
    EXPECT_EQ(c.text_end, at);
    EXPECT_EQ(text.substr(c.text_begin, c.text_end - c.text_begin), "[" + std::to_string(c.number) + "]");
    const std::size_t begin = text::byte_offset_of(p.text, c.begin - p.begin);
    const std::size_t end = text::byte_offset_of(p.text, c.end - p.begin);
    const std::string quoted = p.text.substr(begin, end - begin);
    EXPECT_EQ(text.substr(c.text_begin - quoted.size() - 1, quoted.size()), quoted);
  }
  EXPECT_GE(cited, 2U);
}

TEST(Extractive, AddsNoSentenceThatThePassageCutsOff) {
  const auto w = work(
      "How will the production rate of the harvester change in spring?",
      {"The production rate of the harvester will increase in spring. If the production rate at any of our",
       "rate of production that has come late in spring. The mill stands still."});
  const std::string text = text_of(quote_answer(w));
  EXPECT_NE(text.find("will increase in spring."), std::string::npos);
  EXPECT_EQ(text.find("at any of our"), std::string::npos);
  EXPECT_EQ(text.find("come late"), std::string::npos);
  // Nor is it the first when a whole one says nearly as much.
  const std::string late =
      text_of(quote_answer(work("How much oil does the engine of the mill need?",
                                {"oil of the engine of the mill is needed, much of the oil for the",
                                 "The engine of the mill needs much oil."})));
  EXPECT_EQ(late.find("for the"), std::string::npos);
  // Better than nothing, though.
  EXPECT_NE(text_of(quote_answer(work("Which engine is it?", {"the engine is of the kind that we"})))
                .find("engine"),
            std::string::npos);
}

TEST(Extractive, QuotesTheTableLine) {
  const auto answer = quote_answer(
      work("What was the cost of sales?",
           {"Year 2022 2021\nNet sales 34,229 35,355\nCost of sales 19,232 18,795\nTaxes 10 20"}));
  EXPECT_EQ(answer.steps.at(1).text, "Cost of sales 19,232 18,795 [1]");
}

TEST(Extractive, SaysSoWhenNothingIsFound) {
  const auto none = quote_answer(work("What do zebras eat?", {"The valve is closed. The pump is off."}));
  EXPECT_EQ(none.mode, "nothing_found");
  EXPECT_EQ(text_of(none), "Nothing about this was found in the 7 pages searched.");
  EXPECT_FALSE(none.steps[0].citation);
  EXPECT_EQ(quote_answer(work("What?", {})).mode, "nothing_found");
  EXPECT_EQ(nothing_found_text({}), "Nothing was found: there are no searchable pages here yet.");
  EXPECT_EQ(nothing_found_text({3, 9, 1, 1}),
            "Nothing about this was found in the 3 of 9 pages that are searchable so far.");
}

TEST(Extractive, ShortFollowUpsSeeTheQuestionBefore) {
  auto w = work(
      "And in Hamburg?",
      {"The harbour of Bremen opened in 1827. The harbour of Hamburg opened in 1189. Hamburg has a zoo."});
  w.request.history = {{"user", "When was the harbour of Bremen opened?"}, {"assistant", "In 1827 [1]."}};
  EXPECT_EQ(quote_answer(w).steps.at(1).text, "The harbour of Hamburg opened in 1189. [1]");
}

TEST(Extractive, ShowsTheSameThingOnce) {
  const auto answer = quote_answer(work("Who founded the mill?", {"Anna Berg founded the mill in 1901.",
                                                                  "Anna Berg founded the mill in 1901."}));
  EXPECT_EQ(answer.steps.size(), 2U);
}

TEST(Extractive, WorksWithoutSpacesBetweenWords) {
  const auto answer =
      quote_answer(work("北京的人口是多少？", {"上海在东部。北京的人口是两千万。广州很热。"}));
  EXPECT_EQ(answer.steps.at(1).text, "北京的人口是两千万。 [1]");
}

}  // namespace
}  // namespace answermill::generate
