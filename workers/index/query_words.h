// Turns a question into the words to look for.
//
// Thread: pure functions. Xapian's own tokenizer is used, so that queries and chunks are cut alike.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shared/messages/questions.h"

namespace answermill::index {

struct QueryWord {
  std::vector<std::string> terms;  // its stems in the languages of the collection; any of them counts
  double weight = 1;               // less for words that only an earlier turn of the conversation used
};

// The content words of `question`, at most kMaxQueryWords, stemmed in each of `languages`. If nothing but
// stop words is left, those.
inline constexpr std::size_t kMaxQueryWords = 64;
std::vector<QueryWord> words_of_question(std::string_view question, std::span<const std::string> languages);

// The same for a question of a conversation: a short one ("and in 2021?") also looks, with less weight, for
// the words of the user's previous turn.
std::vector<QueryWord> words_of_conversation(std::string_view question,
                                             std::span<const messages::Turn> history,
                                             std::span<const std::string> languages);

// The terms of a chunk and how often each occurs, as put into the index.
struct CountedTerm {
  std::string term;
  unsigned count = 0;
};

// As a language: words are taken as they are.
inline constexpr std::string_view kUnstemmed = "none";

// Cuts and stems texts of one language. Thread: one at a time.
class Stemmer {
 public:
  explicit Stemmer(std::string_view language);
  ~Stemmer();
  Stemmer(Stemmer&&) noexcept;
  Stemmer& operator=(Stemmer&&) noexcept;

  std::vector<CountedTerm> count(std::span<const std::string_view> texts);
  // Terms in the order of the text, one for each word; n-grams have no place of their own and come first.
  struct PlacedTerm {
    unsigned position = 0;  // 0: without a place
    std::string term;
  };
  std::vector<PlacedTerm> place(std::string_view text);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// "2022" of "fy2022": a run of at least four digits inside a word of letters and digits; else empty.
std::string_view number_inside(std::string_view word);

}  // namespace answermill::index
