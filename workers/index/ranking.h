// How words and vectors together rank passages, and how sure the index is of each: a calibrated distance.
//
// Thread: pure functions. The essay with the formula is in ranking.cpp.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "workers/index/word_index.h"

namespace answermill::index {

// What is known of a chunk that words or vectors brought up.
struct Candidate {
  std::int64_t key = 0;
  double words = 0;     // BM25 over the greatest BM25 words of average weight could give; about 0…1.5
  double coverage = 0;  // share of the query's words it contains, each counted by its rarity: 0…1
  double matched = 0;   // how many words of the query it contains, each counted by its weight
  double cosine = 0;
  bool embedded = false;  // false: no vector of the query's model
};

// How the cosines of this query with all chunks of the collection are spread.
struct CosineSpread {
  double mean = 0;
  double deviation = 0;
  std::size_t sampled = 0;
};

struct Ranked {
  std::int64_t key = 0;
  double fused = 0;     // order
  double distance = 1;  // 0…1
};

// Fills words, coverage and matched from a match.
void apply_match(const WordMatch& match, std::span<const QueryWord> words, std::span<const double> rarity,
                 Candidate& candidate);

double distance_of(const Candidate& candidate, const CosineSpread& spread, std::string_view model);

// Best first; every distance within 0…1.
std::vector<Ranked> rank(std::span<const Candidate> candidates, const CosineSpread& spread,
                         std::string_view model);

// True when two ranges of one page share more than half of the shorter one.
bool overlaps(std::uint32_t begin, std::uint32_t end, std::uint32_t other_begin, std::uint32_t other_end);

}  // namespace answermill::index
