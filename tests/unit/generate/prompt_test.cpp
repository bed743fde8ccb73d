#include "workers/generate/prompt.h"

#include <gtest/gtest.h>

namespace answermill::generate {
namespace {

messages::GenerateAnswer work() {
  messages::GenerateAnswer w;
  w.request.question = "Why?";
  messages::Passage p;
  p.number = 1;
  p.document_name = "a.pdf";
  p.page = 4;
  p.text = "Because.";
  w.sources.passages = {p};
  return w;
}

TEST(Prompt, HasRulesPassagesAndQuestion) {
  const auto prompt = build_prompt(work(), "");
  ASSERT_EQ(prompt.size(), 2U);
  EXPECT_NE(prompt[0].content.find("[1] a.pdf, page 4\nBecause.\n"), std::string::npos);
  EXPECT_EQ(prompt[1].content, "Why?");
}

TEST(Prompt, BoundsTheConversationToItsNewestTurns) {
  auto w = work();
  for (int i = 0; i < 30; ++i) {
    w.request.history.push_back(
        {i % 2 == 0 ? "user" : "assistant", "turn " + std::to_string(i) + std::string(3000, 'x')});
  }
  const auto prompt = build_prompt(w, "");
  EXPECT_LE(prompt.size(), 10U);
  EXPECT_EQ(prompt[prompt.size() - 2].content.substr(0, 7), "turn 29");
  EXPECT_EQ(prompt.back().content, "Why?");
}

TEST(Prompt, PutsTheClientsWishesBehindTheRules) {
  auto w = work();
  EXPECT_EQ(build_prompt(w, "")[0].content.find("Wishes"), std::string::npos);
  w.request.instructions = "Be brief." + std::string(10'000, 'x');
  const auto prompt = build_prompt(w, "");
  const auto rules = prompt[0].content.find("nothing else");
  const auto wishes = prompt[0].content.find("Be brief.");
  EXPECT_LT(rules, wishes);
  EXPECT_LT(wishes, prompt[0].content.find("[1] a.pdf"));
  EXPECT_LT(prompt[0].content.size(), 6000U);
}

TEST(Prompt, PutsAnUnfinishedAnswerLast) {
  const auto prompt = build_prompt(work(), "It is so bec");
  EXPECT_EQ(prompt.back().role, "assistant");
  EXPECT_EQ(prompt.back().content, "It is so bec");
  EXPECT_NE(prompt[0].content.find("Go on exactly"), std::string::npos);
}

}  // namespace
}  // namespace answermill::generate
