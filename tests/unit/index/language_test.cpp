#include "workers/index/language.h"

#include <gtest/gtest.h>

namespace answermill::index {
namespace {

TEST(Language, TellsCommonLanguagesApart) {
  EXPECT_EQ(guess_language("The company and its subsidiaries are subject to the laws of the United States"),
            "english");
  EXPECT_EQ(guess_language(
                "Die Gesellschaft ist nicht verpflichtet, die Angaben zu ändern, und wird dies auch nicht"),
            "german");
  EXPECT_EQ(
      guess_language("La société ne peut pas être tenue responsable des dommages dans les cas où elle est"),
      "french");
  EXPECT_EQ(guess_language("Apakah ibukota dari negara itu dan kapan kota tersebut didirikan oleh mereka"),
            "indonesian");
  EXPECT_EQ(guess_language("Компания не несет ответственности за убытки"), "russian");
  EXPECT_EQ(guess_language("ما هي عاصمة فرنسا"), "arabic");
}

TEST(Language, FallsBackToEnglish) {
  EXPECT_EQ(guess_language(""), kDefaultLanguage);
  EXPECT_EQ(guess_language("12,345 67.8%"), kDefaultLanguage);
  EXPECT_EQ(guess_language("熔点是多少"), kDefaultLanguage);
  EXPECT_EQ(guess_language("\xff\xfe broken \xc3"), kDefaultLanguage);
}

TEST(Language, KnowsStopWordsOfTheLanguageAndOfEnglish) {
  EXPECT_TRUE(is_stop_word("what", "english"));
  EXPECT_TRUE(is_stop_word("what", "german"));
  EXPECT_TRUE(is_stop_word("welche", "german"));
  EXPECT_FALSE(is_stop_word("welche", "english"));
  EXPECT_FALSE(is_stop_word("tungsten", "english"));
}

}  // namespace
}  // namespace answermill::index
