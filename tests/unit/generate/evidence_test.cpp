#include "workers/generate/evidence.h"

#include <gtest/gtest.h>

#include "shared/text/utf8.h"

namespace answermill::generate {
namespace {

messages::Passage passage(std::string text, std::uint32_t begin = 100) {
  messages::Passage p;
  p.number = 1;
  p.document = "doc";
  p.page = 3;
  p.begin = begin;
  p.end = begin + static_cast<std::uint32_t>(text::count_code_points(text));
  p.text = std::move(text);
  return p;
}

TEST(Evidence, FindsTheSentenceAMarkCloses) {
  const std::string answer = "First. Revenue was 5 [1][2]. It fell. [3]\nNew line [4]";
  EXPECT_EQ(citing_sentence(answer, answer.find("[1]")), "Revenue was 5");
  EXPECT_EQ(citing_sentence(answer, answer.find("[2]")), "Revenue was 5");
  EXPECT_EQ(citing_sentence(answer, answer.find("[3]")), "It fell.");
  EXPECT_EQ(citing_sentence(answer, answer.find("[4]")), "New line");
  EXPECT_EQ(citing_sentence("[1]", 0), "");
}

TEST(Evidence, NarrowsToTheBestSentence) {
  const auto p = passage("Größe zählt. Net sales were 34,229 million dollars. The office is blue.");
  const Span span = PassageEvidence(p).best_span("Sales came to 34,229 million");
  EXPECT_EQ(p.text.substr(span.begin, span.end - span.begin), "Net sales were 34,229 million dollars.");
  const auto citation = cite(p, span, 5, 8);
  EXPECT_EQ(citation.begin, 113U);  // in code points, not in bytes
  EXPECT_EQ(citation.end, 113U + 38U);
  EXPECT_FALSE(citation.exact);
}

TEST(Evidence, CallsLiteralQuotationsExact) {
  const auto p = passage("The valve must be closed before the pump starts, says the manual.");
  const Span span = PassageEvidence(p).best_span("It says “closed before the pump starts”");
  EXPECT_TRUE(span.exact);
  EXPECT_EQ(p.text.substr(span.begin, span.end - span.begin), "closed before the pump starts");
}

TEST(Evidence, CitesTheWholePassageWhenNothingMatches) {
  const auto p = passage("Completely unrelated words here. And more of them.");
  const auto citation = cite(p, PassageEvidence(p).best_span("zebra quantum"), 0, 3);
  EXPECT_EQ(citation.begin, p.begin);
  EXPECT_EQ(citation.end, p.end);
}

TEST(Evidence, DoesNotNarrowATextThatIsNotItsRange) {
  auto p = passage("One sentence here. Another sentence there.");
  p.end += 5;
  const auto citation = cite(p, {0, 4, true}, 0, 3);
  EXPECT_EQ(citation.begin, p.begin);
  EXPECT_EQ(citation.end, p.end);
  EXPECT_FALSE(citation.exact);
}

}  // namespace
}  // namespace answermill::generate
