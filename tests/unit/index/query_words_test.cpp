#include "workers/index/query_words.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace answermill::index {
namespace {

const std::vector<std::string> kEnglish{"english"};

std::vector<std::string> first_terms(const std::vector<QueryWord>& words) {
  std::vector<std::string> terms;
  for (const QueryWord& word : words) terms.push_back(word.terms.front());
  return terms;
}

TEST(QueryWords, StemsContentWordsAndLeavesOutTheRest) {
  EXPECT_EQ(first_terms(words_of_question("What is the melting point of tungsten?", kEnglish)),
            (std::vector<std::string>{"melt", "point", "tungsten"}));
}

TEST(QueryWords, KeepsStopWordsWhenThereIsNothingElse) {
  EXPECT_EQ(first_terms(words_of_question("who are you", kEnglish)),
            (std::vector<std::string>{"who", "are", "you"}));
}

TEST(QueryWords, CountsARepeatedWordOnce) {
  EXPECT_EQ(words_of_question("margin margins MARGIN", kEnglish).size(), 1U);
}

TEST(QueryWords, FindsTheYearInsideAFiscalYear) {
  const auto words = words_of_question("FY2022 revenue", kEnglish);
  ASSERT_EQ(words.size(), 2U);
  EXPECT_EQ(words[0].terms, (std::vector<std::string>{"fy2022", "2022"}));
  EXPECT_EQ(number_inside("fy2022"), "2022");
  EXPECT_EQ(number_inside("2022"), "");
  EXPECT_EQ(number_inside("q2"), "");
  EXPECT_EQ(number_inside("1,577.25"), "");
}

TEST(QueryWords, StemsInEveryLanguageOfTheCollection) {
  const std::vector<std::string> both{"english", "german"};
  const auto words = words_of_question("Verpflichtungen", both);
  ASSERT_EQ(words.size(), 1U);
  EXPECT_EQ(words[0].terms.size(), 2U);
}

TEST(QueryWords, CutsChineseIntoNgrams) {
  const auto words = words_of_question("熔点是多少", kEnglish);
  EXPECT_TRUE(
      std::any_of(words.begin(), words.end(), [](const QueryWord& w) { return w.terms.front() == "熔点"; }));
}

TEST(QueryWords, IsBoundedForEndlessQuestions) {
  std::string question;
  for (int i = 0; i < 5000; ++i) question += "word" + std::to_string(i) + "x ";
  EXPECT_EQ(words_of_question(question, kEnglish).size(), kMaxQueryWords);
  EXPECT_TRUE(words_of_question("", kEnglish).empty());
  EXPECT_TRUE(words_of_question("?!…", kEnglish).empty());
}

TEST(QueryWords, ShortFollowUpBorrowsFromThePreviousQuestion) {
  const std::vector<messages::Turn> history{{"user", "What was the operating income of Adobe in 2022?"},
                                            {"assistant", "6,098 million dollars."}};
  const auto words = words_of_conversation("And in 2021?", history, kEnglish);
  ASSERT_EQ(first_terms(words), (std::vector<std::string>{"2021", "oper", "incom", "adob", "2022"}));
  EXPECT_EQ(words[0].weight, 1);
  EXPECT_LT(words[1].weight, 1);
}

TEST(QueryWords, LongQuestionStandsAlone) {
  const std::vector<messages::Turn> history{{"user", "Tell me about tungsten"}};
  const auto words = words_of_conversation("How did gross margin, revenue, inventory and cash flow develop?",
                                           history, kEnglish);
  for (const QueryWord& word : words) EXPECT_EQ(word.weight, 1);
}

TEST(QueryWords, OnlyTheUsersLastTurnCounts) {
  const std::vector<messages::Turn> history{{"user", "zebra"}, {"assistant", "giraffe"}, {"user", "lion"}};
  EXPECT_EQ(first_terms(words_of_conversation("tiger", history, kEnglish)),
            (std::vector<std::string>{"tiger", "lion"}));
}

}  // namespace
}  // namespace answermill::index
