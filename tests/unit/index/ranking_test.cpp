#include "workers/index/ranking.h"

#include <gtest/gtest.h>

namespace answermill::index {
namespace {

constexpr CosineSpread kSpread{0.1, 0.05, 512};
constexpr std::string_view kBuiltIn = "builtin-hash-v1-768";

// words, coverage, matched, cosine
Candidate candidate(double words, double coverage, double matched, double cosine, bool embedded = true) {
  return {1, words, coverage, matched, cosine, embedded};
}

TEST(Ranking, PassageWithAllWordsIsNear) {
  EXPECT_LT(distance_of(candidate(1, 1, 3, 0.3), kSpread, kBuiltIn), 0.1);
  EXPECT_LT(distance_of(candidate(1, 1, 1, 0.2), kSpread, kBuiltIn), 0.3);
}

TEST(Ranking, PassageWithOneCommonWordIsFar) {
  EXPECT_GT(distance_of(candidate(0.5, 0.15, 1, 0.12), kSpread, kBuiltIn), 0.9);
  EXPECT_GT(distance_of(candidate(0, 0, 0, 0.2), kSpread, kBuiltIn), 0.9);
}

TEST(Ranking, TrainedModelMayVouchWithoutSharedWords) {
  EXPECT_LT(distance_of(candidate(0, 0, 0, 0.45), kSpread, "text-embedding-3-small"), 0.3);
  EXPECT_GT(distance_of(candidate(0, 0, 0, 0.45), kSpread, kBuiltIn), 0.8);
  EXPECT_GT(distance_of(candidate(0, 0, 0, 0.15), kSpread, "text-embedding-3-small"), 0.9);
}

TEST(Ranking, WorksWithoutVectors) {
  Candidate poor = candidate(0.2, 0.3, 1, 0, false);
  Candidate good = candidate(0.9, 0.9, 3, 0, false);
  good.key = 2;
  const std::vector<Candidate> candidates{poor, good};
  const auto ranked = rank(candidates, {}, "");
  ASSERT_EQ(ranked.size(), 2U);
  EXPECT_EQ(ranked[0].key, 2);
  EXPECT_LT(ranked[0].distance, 0.1);
  EXPECT_GT(ranked[1].distance, 0.8);
}

TEST(Ranking, DistancesStayBetweenZeroAndOneAndFallWithEvidence) {
  for (const std::string_view model : {kBuiltIn, std::string_view("trained")}) {
    double previous = 1;
    for (double evidence = 0; evidence <= 1.001; evidence += 0.05) {
      const double distance =
          distance_of(candidate(evidence, evidence, 10 * evidence, evidence), kSpread, model);
      EXPECT_GE(distance, 0);
      EXPECT_LE(distance, previous + 1e-12);
      previous = distance;
    }
  }
}

TEST(Ranking, CoverageWeighsWordsByRarity) {
  const std::vector<QueryWord> words{{{"melt"}, 1}, {{"point"}, 1}, {{"tungsten"}, 1}};
  const std::vector<double> rarity{7, 1, 7};
  Candidate candidate;
  apply_match({1, 1.5, {false, true, false}}, words, rarity, candidate);
  EXPECT_NEAR(candidate.coverage, 1.0 / 15, 1e-9);
  EXPECT_NEAR(candidate.words, 0.1, 1e-9);
  EXPECT_EQ(candidate.matched, 1);
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
