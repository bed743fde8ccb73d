// How a text becomes features
//
// Each distinct word counts once, with a weight that grows slower than its frequency and that is small for
// the commonest words of eleven languages. Without a collection there are no document frequencies; length is
// the proxy: long words are rarer. Its weight is spread over three kinds of features: the word itself and its
// stem (exact matches), its letter groups of 3 to 5 with word boundaries (typing errors, inflection,
// compounds), and the pair with the word before it (phrases). Scripts without spaces come from WordReader as
// pairs of signs, which are features as they are.
#include "workers/embed/hash_features.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "shared/text/utf8.h"
#include "shared/text/words.h"

namespace answermill::embed {
namespace {

using text::Word;
using text::WordKind;

// Fixed point, 10 bits of fraction.
constexpr std::int64_t kOne = 1024;
constexpr std::int64_t kStemShare = 512;
constexpr std::int64_t kGramsShare = 1229;
constexpr std::int64_t kPhraseShare = 154;
constexpr std::int64_t kCommonWeight = 41;

// 1 + ln(tf), for tf 1…16.
constexpr std::array<std::int64_t, 16> kFrequencyWeight = {1024, 1734, 2149, 2444, 2672, 2859, 3017, 3153,
                                                           3274, 3382, 3479, 3569, 3650, 3726, 3797, 3863};
// By length in code points; the last one is for all longer words.
constexpr std::array<std::int64_t, 13> kLengthWeight = {0,    205,  430,  614,  737,  840, 922,
                                                        1004, 1065, 1126, 1188, 1229, 1270};
constexpr std::int64_t kNumberWeight = 922;

std::uint64_t mix(std::uint64_t h) {
  h ^= h >> 33U;
  h *= 0xff51afd7ed558ccdULL;
  h ^= h >> 33U;
  h *= 0xc4ceb9fe1a85ec53ULL;
  return h ^ (h >> 33U);
}

std::uint64_t extend(std::uint64_t h, char32_t unit) { return (h ^ unit) * 0x100000001b3ULL; }

std::uint64_t hash_bytes(std::uint64_t seed, std::string_view bytes) {
  std::uint64_t h = 0xcbf29ce484222325ULL ^ (seed * 0x9e3779b97f4a7c15ULL);
  for (const char c : bytes) h = extend(h, static_cast<unsigned char>(c));
  return h;
}

enum Seed : std::uint64_t { kWordSeed = 1, kStemSeed = 2, kGramSeed = 3, kPhraseSeed = 4, kTextSeed = 5 };

struct Term {
  std::uint64_t hash = 0;
  std::string folded;
  WordKind kind = WordKind::kWord;
  std::uint32_t count = 0;
};

class Accumulator {
 public:
  void add(std::uint64_t hash, std::int64_t weight) {
    const std::uint64_t bits = mix(hash);
    sums_[(bits >> 1U) % kHashDimension] += (bits & 1U) != 0 ? weight : -weight;
  }

  bool write_unit(float* out) const {
    // Weights stay below 2^40 in sum, so their squares are summed as doubles that are exact enough and, being
    // added in a fixed order, the same everywhere.
    double squares = 0;
    for (const std::int64_t sum : sums_) squares += static_cast<double>(sum) * static_cast<double>(sum);
    if (squares == 0) return false;
    const double length = std::sqrt(squares);
    for (std::size_t i = 0; i < kHashDimension; ++i)
      out[i] = static_cast<float>(static_cast<double>(sums_[i]) / length);
    return true;
  }

 private:
  std::array<std::int64_t, kHashDimension> sums_{};
};

// The distinct words in order of first appearance, with open addressing over their hashes.
class Terms {
 public:
  void count(const Word& word, std::uint64_t hash) {
    if (terms_.size() * 2 >= slots_.size()) grow();
    std::size_t at = mix(hash) & (slots_.size() - 1);
    while (slots_[at] != 0) {
      Term& term = terms_[slots_[at] - 1];
      if (term.hash == hash) {
        ++term.count;
        return;
      }
      at = (at + 1) & (slots_.size() - 1);
    }
    terms_.push_back({hash, word.folded, word.kind, 1});
    slots_[at] = static_cast<std::uint32_t>(terms_.size());
  }

  const std::vector<Term>& all() const { return terms_; }

 private:
  void grow() {
    slots_.assign(std::max<std::size_t>(512, slots_.size() * 2), 0);
    for (std::size_t i = 0; i < terms_.size(); ++i) {
      std::size_t at = mix(terms_[i].hash) & (slots_.size() - 1);
      while (slots_[at] != 0) at = (at + 1) & (slots_.size() - 1);
      slots_[at] = static_cast<std::uint32_t>(i + 1);
    }
  }

  std::vector<Term> terms_;
  std::vector<std::uint32_t> slots_;  // index + 1 into terms_; 0 is free
};

std::int64_t weight_of(const Term& term, std::size_t length) {
  if (term.kind == WordKind::kNumber) return kNumberWeight;
  if (term.kind == WordKind::kPair) return kLengthWeight[4];
  if (text::is_common_word(term.folded)) return kCommonWeight;
  return kLengthWeight[std::min(length, kLengthWeight.size() - 1)];
}

// Letter groups of 3, 4 and 5 of "<word>"; shorter words have none (the word itself says it all).
void add_grams(Accumulator& sums, const std::vector<char32_t>& units, std::int64_t weight) {
  if (units.size() < 5) return;
  std::size_t grams = 0;
  for (std::size_t n = 3; n <= 5; ++n) grams += units.size() >= n ? units.size() - n + 1 : 0;
  // Many groups of one word share its weight so that their joint length, not their sum, is the share.
  const double root = std::sqrt(static_cast<double>(grams));
  const auto each = static_cast<std::int64_t>(static_cast<double>(weight) / root);
  for (std::size_t begin = 0; begin + 3 <= units.size(); ++begin) {
    std::uint64_t h = hash_bytes(kGramSeed, {});
    for (std::size_t n = 1; n <= 5 && begin + n <= units.size(); ++n) {
      h = extend(h, units[begin + n - 1]);
      if (n >= 3) sums.add(h + n, each);
    }
  }
}

void add_term(Accumulator& sums, const Term& term, std::vector<char32_t>& units) {
  units.assign(1, U'<');
  for (std::size_t at = 0; at < term.folded.size();) units.push_back(text::next_code_point(term.folded, at));
  units.push_back(U'>');
  const std::size_t frequency = std::min<std::size_t>(term.count, kFrequencyWeight.size());
  const std::int64_t weight = weight_of(term, units.size() - 2) * kFrequencyWeight[frequency - 1] / kOne;
  sums.add(term.hash, weight);
  if (term.kind != WordKind::kWord || weight <= 3 * kCommonWeight) return;
  sums.add(hash_bytes(kStemSeed, text::stem_of(term.folded)), weight * kStemShare / kOne);
  add_grams(sums, units, weight * kGramsShare / kOne);
}

}  // namespace

void hash_features(std::string_view text, float* out) {
  Terms terms;
  Accumulator sums;
  text::WordReader reader(text);
  Word word;
  std::uint64_t before = 0;
  while (reader.next(word)) {
    const std::uint64_t hash = hash_bytes(kWordSeed, word.folded);
    terms.count(word, hash);
    const bool telling = word.kind != WordKind::kPair && !text::is_common_word(word.folded);
    if (telling && before != 0) sums.add(mix(before) + hash + kPhraseSeed, kPhraseShare);
    before = telling ? hash : 0;
  }
  std::vector<char32_t> units;
  for (const Term& term : terms.all()) add_term(sums, term, units);
  if (sums.write_unit(out)) return;
  Accumulator whole;
  whole.add(hash_bytes(kTextSeed, text), kOne);
  whole.write_unit(out);
}

}  // namespace answermill::embed
