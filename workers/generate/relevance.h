// How well a piece of text answers a question or supports a sentence: weighted overlap of their words.
//
// Thread: any. Pure and deterministic. Shape: scores are 0…1 unless said otherwise.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace answermill::generate {

// The telling words of a text, as stems (numbers and pairs as they are), each with how often it occurs.
class Terms {
 public:
  explicit Terms(std::string_view text);

  // 1 for the same stem, less for words of the same beginning ("depreciation", "depreciated"), 0 for none.
  double match(std::string_view stem) const;
  const std::map<std::string, int, std::less<>>& counts() const { return counts_; }
  bool has_number() const { return has_number_; }
  std::size_t words() const { return words_; }  // common ones included

  // Shared words over all words, of both.
  double similarity(const Terms& other) const;

 private:
  std::map<std::string, int, std::less<>> counts_;
  bool has_number_ = false;
  std::size_t words_ = 0;
};

// What is looked for: stems with weights that sum to 1.
class Query {
 public:
  // `context` (an earlier question) adds its words at a lower weight; pass it for short follow-ups only.
  Query(std::string_view text, std::string_view context);

  // Rare words weigh more: `texts` are what is searched.
  void weigh_by(const std::vector<Terms>& texts);

  // Words that are said of everything searched (the documents' own names) tell little.
  void fade(const std::vector<Terms>& names);

  bool empty() const { return weights_.empty(); }
  std::size_t size() const { return weights_.size(); }
  // The weight of the words that `terms` has.
  double coverage(const Terms& terms) const;

 private:
  void normalise();

  std::map<std::string, double, std::less<>> weights_;
};

// What kind of thing is asked for, by the question words of several languages.
struct AnswerCues {
  bool number = false;
  bool date = false;
  bool name = false;
};
AnswerCues cues_of(std::string_view question);

}  // namespace answermill::generate
