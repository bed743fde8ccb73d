#include "workers/generate/continuation.h"

#include <gtest/gtest.h>

namespace answermill::generate {
namespace {

// The text shown at the end, when the continuation comes in pieces of `size` bytes.
std::string join(const std::string& prefix, const std::string& said, std::size_t size,
                 bool* rewound = nullptr) {
  Continuation continuation(prefix);
  std::string shown = prefix;
  const auto apply = [&](const Continuation::Step& step) {
    if (step.rewind) shown.clear();
    if (step.rewind && rewound != nullptr) *rewound = true;
    shown += step.text;
  };
  for (std::size_t at = 0; at < said.size(); at += size) apply(continuation.feed(said.substr(at, size)));
  apply(continuation.finish());
  return shown;
}

TEST(Continuation, PassesEverythingWithoutAPrefix) {
  Continuation continuation("");
  EXPECT_EQ(continuation.feed("a").text, "a");
  EXPECT_EQ(continuation.feed("").text, "");
}

TEST(Continuation, JoinsEveryKindOfAnswerAtEverySplit) {
  const std::string whole =
      "Revenue was 34 million in 2022 [1]. It fell by 3 percent against the year before [2].";
  for (std::size_t cut = 1; cut < whole.size(); ++cut) {
    const std::string prefix = whole.substr(0, cut);
    for (const std::size_t size : {1U, 3U, 7U, 1000U}) {
      EXPECT_EQ(join(prefix, whole.substr(cut), size), whole) << "goes on at " << cut;
      EXPECT_EQ(join(prefix, whole, size), whole) << "repeats all at " << cut;
    }
  }
}

TEST(Continuation, DropsARepeatedUnfinishedSentence) {
  EXPECT_EQ(join("First one. Then the cat sat", "Then the cat sat on the mat.", 2),
            "First one. Then the cat sat on the mat.");
}

TEST(Continuation, KeepsATextThatRepeatsItself) {
  EXPECT_EQ(join("All work and no play. All work and no play. ", "All work and no play. End.", 4),
            "All work and no play. All work and no play. All work and no play. End.");
}

TEST(Continuation, RewindsForAnotherAnswer) {
  bool rewound = false;
  EXPECT_EQ(join("The revenue of the company was 5", "The revenue of the group is 7.", 5, &rewound),
            "The revenue of the group is 7.");
  EXPECT_TRUE(rewound);
  rewound = false;
  EXPECT_EQ(join("The revenue wa", "In 2022 they earned 7.", 5, &rewound), "In 2022 they earned 7.");
  EXPECT_TRUE(rewound);
}

TEST(Continuation, KeepsThePrefixWhenNothingFollows) {
  EXPECT_EQ(join("Whole answer [1].", "", 1), "Whole answer [1].");
}

}  // namespace
}  // namespace answermill::generate
