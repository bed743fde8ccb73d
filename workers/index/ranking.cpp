// Order. Each candidate has a BM25 score and a cosine. Both are put on scales that mean the same for every
// query: BM25 is divided by what the query's words would give if each occurred once in a passage of average
// length; the cosine is counted in standard deviations above the mean cosine of this query with the whole
// collection. The fused score is their weighted sum. (Reciprocal ranks forget how much better the first is
// than the second.) The share of the words is large for the built-in model, which sees letters and not
// meaning: of the judged collections we know, none loses and most gain against BM25 alone at 0.75.
//
// Distance. People need to know whether a passage has to do with the question at all. BM25 cannot tell: the
// best passage of a collection that knows nothing of the matter may repeat one common word many times. What
// tells is how much of the question a passage covers. Let
//   c = share of the question's words in the passage, each weighted by its rarity (a word that occurs nowhere
//   in the
//       collection counts as the rarest),
//   m = how many of the question's words those are,
//   s = cosine as the built-in model gives it (for other models: what the cosine exceeds the collection's
//   mean by), evidence = 1 / (1 + exp(8.4 − 4.9 c − 10.6 s − 3.9 ln(1 + m))), distance = 1 − evidence.
// The coefficients are a logistic regression that tells judged passages of nine collections in five languages
// from the best passages that questions about something else find in company filings (area under the curve
// 0.987; the median distance of the former is 0.02, of the latter 0.97). A trained model also finds passages
// without shared words: then
//   d = how far the cosine exceeds the mean, 0 at 0.10 and 1 at 0.35, and distance = (1 − evidence)(1 − d).
#include "workers/index/ranking.h"

#include <algorithm>
#include <cmath>

namespace answermill::index {
namespace {

constexpr double kBuiltInWordShare = 0.75;  // of the fused score
constexpr double kTrainedWordShare = 0.5;
constexpr double kDeviationsOfOne = 6.0;  // so many deviations weigh as much as one normalised BM25

// In a small collection the spread says little: it is drawn towards these.
constexpr double kPriorDeviation = 0.05;
constexpr double kPriorWeight = 16;

bool is_built_in(std::string_view model) { return model.starts_with("builtin"); }

double mean_of(const CosineSpread& spread, std::string_view model) {
  const double prior = is_built_in(model) ? 0.05 : 0.2;
  const double n = static_cast<double>(spread.sampled);
  return (spread.mean * n + prior * kPriorWeight) / (n + kPriorWeight);
}

double deviations(double cosine, const CosineSpread& spread, std::string_view model) {
  const double n = static_cast<double>(spread.sampled);
  const double deviation = (spread.deviation * n + kPriorDeviation * kPriorWeight) / (n + kPriorWeight);
  return (cosine - mean_of(spread, model)) / std::max(deviation, 0.01);
}

// What the cosine of the built-in model would be.
double comparable_cosine(const Candidate& candidate, const CosineSpread& spread, std::string_view model) {
  if (!candidate.embedded) return 0.05 + 0.2 * candidate.coverage;  // what is usual for such a coverage
  if (is_built_in(model)) return candidate.cosine;
  return 0.05 + candidate.cosine - mean_of(spread, model);
}

}  // namespace

void apply_match(const WordMatch& match, std::span<const QueryWord> words, std::span<const double> rarity,
                 Candidate& candidate) {
  double all = 0;
  double present = 0;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const double weight = words[i].weight * rarity[i];
    all += weight;
    if (!match.present[i]) continue;
    present += weight;
    candidate.matched += words[i].weight;
  }
  if (all <= 0) return;
  candidate.words = match.score / all;
  candidate.coverage = present / all;
}

double distance_of(const Candidate& candidate, const CosineSpread& spread, std::string_view model) {
  const double logit = -8.4 + 4.9 * candidate.coverage + 10.6 * comparable_cosine(candidate, spread, model) +
                       3.9 * std::log1p(candidate.matched);
  const double doubt = 1 / (1 + std::exp(logit));
  if (!candidate.embedded || is_built_in(model)) return doubt;
  constexpr double kNothing = 0.10;
  constexpr double kSure = 0.35;
  const double excess = candidate.cosine - mean_of(spread, model);
  return doubt * (1 - std::clamp((excess - kNothing) / (kSure - kNothing), 0.0, 1.0));
}

std::vector<Ranked> rank(std::span<const Candidate> candidates, const CosineSpread& spread,
                         std::string_view model) {
  const double share = is_built_in(model) ? kBuiltInWordShare : kTrainedWordShare;
  std::vector<Ranked> ranked;
  for (const Candidate& candidate : candidates) {
    const double dense =
        candidate.embedded ? deviations(candidate.cosine, spread, model) / kDeviationsOfOne : 0;
    ranked.push_back({candidate.key, share * candidate.words + (1 - share) * dense,
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
