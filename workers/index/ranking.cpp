// Order. Each candidate has a BM25 score and a cosine. Both are put on scales that mean the same for every
// query: BM25 is divided by what the query's words would give if each occurred once in a passage of average
// length; the cosine is counted in standard deviations above the mean cosine of this query with the whole
// collection. The fused score is their weighted sum. (Reciprocal ranks forget how much better the first is
// than the second.)
//
// Distance. People need to know whether a passage has to do with the question at all. BM25 cannot tell: the
// best passage of a collection that knows nothing of the matter may repeat one common word many times. What
// tells is how much of the question a passage covers: the share of its words, each weighted by its rarity,
// where a word that occurs nowhere in the collection counts as the rarest. Let
//   c = coverage, d = dense evidence (cosine, 0 at the mean + 1.5 deviations, 1 at the mean + 6), t = trust
//   in the model without shared words (0.15 for the built-in hashed model, whose cosine is made of shared
//   letters anyway; 0.9 for trained models, which know synonyms and other languages); words = ramp(c, 0.25,
//   0.85), evidence = 1 − (1 − words · (0.75 + 0.25 d)) · (1 − t d), distance = 1 − evidence.
#include "workers/index/ranking.h"

#include <algorithm>

namespace answermill::index {
namespace {

constexpr double kWordShare = 0.6;  // of the fused score
constexpr double kDeviationsNothing = 1.5;
constexpr double kDeviationsSure = 6.0;
constexpr double kCoverageNothing = 0.25;
constexpr double kCoverageSure = 0.85;
constexpr double kBuiltInTrust = 0.15;
constexpr double kTrainedTrust = 0.9;

// In a small collection the spread says little: it is drawn towards these.
constexpr double kPriorMean = 0.1;
constexpr double kPriorDeviation = 0.08;
constexpr double kPriorWeight = 16;

double ramp(double value, double low, double high) {
  return std::clamp((value - low) / (high - low), 0.0, 1.0);
}

double deviations(double cosine, const CosineSpread& spread) {
  const double n = static_cast<double>(spread.sampled);
  const double mean = (spread.mean * n + kPriorMean * kPriorWeight) / (n + kPriorWeight);
  const double deviation = (spread.deviation * n + kPriorDeviation * kPriorWeight) / (n + kPriorWeight);
  return (cosine - mean) / std::max(deviation, 0.01);
}

}  // namespace

void apply_match(const WordMatch& match, std::span<const QueryWord> words, std::span<const double> rarity,
                 Candidate& candidate) {
  double all = 0;
  double present = 0;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const double weight = words[i].weight * rarity[i];
    all += weight;
    if (match.present[i]) present += weight;
  }
  if (all <= 0) return;
  candidate.words = match.score / all;
  candidate.coverage = present / all;
}

double dense_evidence(double cosine, const CosineSpread& spread) {
  return ramp(deviations(cosine, spread), kDeviationsNothing, kDeviationsSure);
}

double trust_in(std::string_view model) {
  return model.starts_with("builtin") ? kBuiltInTrust : kTrainedTrust;
}

double distance_of(const Candidate& candidate, const CosineSpread& spread, std::string_view model) {
  const double words = ramp(candidate.coverage, kCoverageNothing, kCoverageSure);
  if (!candidate.embedded) return 1 - words;
  const double dense = dense_evidence(candidate.cosine, spread);
  return (1 - words * (0.75 + 0.25 * dense)) * (1 - trust_in(model) * dense);
}

std::vector<Ranked> rank(std::span<const Candidate> candidates, const CosineSpread& spread,
                         std::string_view model) {
  std::vector<Ranked> ranked;
  for (const Candidate& candidate : candidates) {
    const double dense = candidate.embedded ? deviations(candidate.cosine, spread) / kDeviationsSure : 0;
    ranked.push_back({candidate.key, kWordShare * candidate.words + (1 - kWordShare) * dense,
                      distance_of(candidate, spread, model)});
  }
  std::stable_sort(ranked.begin(), ranked.end(), [](const Ranked& a, const Ranked& b) {
    return a.fused != b.fused ? a.fused > b.fused : a.key < b.key;
  });
  return ranked;
}

bool overlaps(std::uint32_t begin, std::uint32_t end, std::uint32_t other_begin, std::uint32_t other_end) {
  const std::uint32_t from = std::max(begin, other_begin);
  const std::uint32_t to = std::min(end, other_end);
  const std::uint32_t shorter = std::min(end - begin, other_end - other_begin);
  return to > from && 2 * (to - from) > shorter;
}

}  // namespace answermill::index
