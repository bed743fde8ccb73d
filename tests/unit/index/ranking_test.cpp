#include "workers/index/ranking.h"

#include <gtest/gtest.h>

namespace answermill::index {
namespace {

constexpr CosineSpread kSpread{0.1, 0.05, 512};
constexpr std::string_view kBuiltIn = "builtin-hash-v1-768";

TEST(Ranking, PassageWithAllWordsIsNear) {
  const Candidate candidate{1, 1.0, 1.0, 0.4, true};
  EXPECT_LT(distance_of(candidate, kSpread, kBuiltIn), 0.3);
}

TEST(Ranking, PassageWithOneCommonWordIsFar) {
  const Candidate candidate{1, 0.5, 0.2, 0.12, true};
  EXPECT_GT(distance_of(candidate, kSpread, kBuiltIn), 0.9);
}

TEST(Ranking, TrainedModelMayVouchWithoutSharedWords) {
  const Candidate candidate{1, 0, 0, 0.45, true};
  EXPECT_LT(distance_of(candidate, kSpread, "text-embedding-3-small"), 0.3);
  EXPECT_GT(distance_of(candidate, kSpread, kBuiltIn), 0.8);
}

TEST(Ranking, WorksWithoutVectors) {
  const std::vector<Candidate> candidates{{1, 0.2, 0.3, 0, false}, {2, 0.9, 0.9, 0, false}};
  const auto ranked = rank(candidates, {}, "");
  ASSERT_EQ(ranked.size(), 2U);
  EXPECT_EQ(ranked[0].key, 2);
  EXPECT_LT(ranked[0].distance, 0.1);
}

TEST(Ranking, DistancesStayBetweenZeroAndOneAndFallWithEvidence) {
  double previous = 1;
  for (double evidence = 0; evidence <= 1.001; evidence += 0.05) {
    const double distance = distance_of({1, evidence, evidence, evidence, true}, kSpread, kBuiltIn);
    EXPECT_GE(distance, 0);
    EXPECT_LE(distance, previous + 1e-12);
    previous = distance;
  }
}

TEST(Ranking, CoverageWeighsWordsByRarity) {
  const std::vector<QueryWord> words{{{"melt"}, 1}, {{"point"}, 1}, {{"tungsten"}, 1}};
  const std::vector<double> rarity{7, 1, 7};
  Candidate candidate;
  apply_match({1, 1.5, {false, true, false}}, words, rarity, candidate);
  EXPECT_NEAR(candidate.coverage, 1.0 / 15, 1e-9);
  EXPECT_NEAR(candidate.words, 0.1, 1e-9);
}

TEST(Ranking, RangesOverlapByHalfOfTheShorter) {
  EXPECT_TRUE(overlaps(0, 100, 40, 140));
  EXPECT_FALSE(overlaps(0, 100, 60, 160));
  EXPECT_TRUE(overlaps(0, 1000, 10, 20));
  EXPECT_FALSE(overlaps(0, 10, 10, 20));
  EXPECT_FALSE(overlaps(0, 0, 0, 0));
}

}  // namespace
}  // namespace answermill::index
