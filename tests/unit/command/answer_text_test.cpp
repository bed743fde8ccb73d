#include "frontend/command/client/answer_text.h"

#include <gtest/gtest.h>

namespace answermill::command {
namespace {

TEST(AnswerText, GrowsAndSkipsWhatIsKnown) {
  AnswerText text;
  EXPECT_EQ(text.append(0, "Hello"), AnswerText::Applied::kDone);
  EXPECT_EQ(text.append(0, "Hello wor"), AnswerText::Applied::kDone);
  EXPECT_EQ(text.append(3, "lo"), AnswerText::Applied::kDone);
  EXPECT_EQ(text.append(9, "ld"), AnswerText::Applied::kDone);
  EXPECT_EQ(text.text(), "Hello world");
}

TEST(AnswerText, RefusesGaps) {
  AnswerText text;
  EXPECT_EQ(text.append(1, "x"), AnswerText::Applied::kGap);
  EXPECT_EQ(text.text(), "");
}

TEST(AnswerText, GivesEachByteOnce) {
  AnswerText text;
  (void)text.append(0, "ab");
  EXPECT_EQ(text.take_fresh().text, "ab");
  (void)text.append(0, "abcd");
  EXPECT_EQ(text.take_fresh().text, "cd");
  EXPECT_EQ(text.take_fresh().text, "");
}

TEST(AnswerText, RewindBehindWhatWasGivenStartsAgain) {
  AnswerText text;
  (void)text.append(0, "abcdef");
  (void)text.take_fresh();
  (void)text.append(6, "gh");
  text.rewind(6);
  EXPECT_FALSE(text.take_fresh().restarted);
  text.rewind(2);
  (void)text.append(2, "X");
  const auto fresh = text.take_fresh();
  EXPECT_TRUE(fresh.restarted);
  EXPECT_EQ(fresh.text, "abX");
  EXPECT_FALSE(text.take_fresh().restarted);
}

TEST(AnswerText, RewindToNothingShowsOnceThereIsText) {
  AnswerText text;
  (void)text.append(0, "abc");
  (void)text.take_fresh();
  text.rewind(0);
  EXPECT_FALSE(text.take_fresh().restarted);
  (void)text.append(0, "new");
  EXPECT_TRUE(text.take_fresh().restarted);
}

}  // namespace
}  // namespace answermill::command
