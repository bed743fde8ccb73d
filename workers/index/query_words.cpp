#include "workers/index/query_words.h"

#include <xapian.h>

#include <algorithm>
#include <map>
#include <unordered_map>

#include "workers/index/language.h"

namespace answermill::index {
namespace {

constexpr double kHistoryWeight = 0.4;
constexpr std::size_t kShortQuestionWords = 4;
constexpr std::size_t kMaxTermBytes = 64;
constexpr std::size_t kMaxKnownStems = 50'000;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

void add_once(std::vector<std::string>& terms, std::string term) {
  if (std::find(terms.begin(), terms.end(), term) == terms.end()) terms.push_back(std::move(term));
}

bool looks_for(const std::vector<QueryWord>& words, const QueryWord& wanted) {
  return std::any_of(words.begin(), words.end(),
                     [&](const QueryWord& word) { return word.terms.front() == wanted.terms.front(); });
}

struct RawWord {
  QueryWord word;
  bool stop = false;
};

std::vector<RawWord> raw_words(std::string_view question, std::span<const std::string> languages) {
  const std::string_view own = guess_language(question);
  std::map<unsigned, RawWord> placed;
  std::vector<RawWord> unplaced;
  const auto is_stop = [&](std::string_view word) {
    return is_stop_word(word, own) ||
           std::any_of(languages.begin(), languages.end(),
                       [&](const std::string& name) { return is_stop_word(word, name); });
  };
  for (const auto& raw : Stemmer(kUnstemmed).place(question)) {
    if (raw.position == 0) {
      unplaced.push_back({{{raw.term}, 1}, false});
    } else {
      placed[raw.position].stop = is_stop(raw.term);
    }
  }
  std::vector<std::string> all(languages.begin(), languages.end());
  if (all.empty()) all.emplace_back(own);
  for (const std::string& language : all) {
    for (auto& stem : Stemmer(language).place(question)) {
      if (stem.position == 0) continue;
      const auto found = placed.find(stem.position);
      if (found != placed.end()) add_once(found->second.word.terms, std::move(stem.term));
    }
  }
  std::vector<RawWord> words;
  for (auto& [position, word] : placed) {
    if (word.word.terms.empty()) continue;
    if (const auto number = number_inside(word.word.terms.front()); !number.empty()) {
      add_once(word.word.terms, std::string(number));
    }
    words.push_back(std::move(word));
  }
  std::move(unplaced.begin(), unplaced.end(), std::back_inserter(words));
  return words;
}

}  // namespace

// Xapian cuts the text into words and n-grams; the stemming is done here, for its generator has no strategy
// that stems words in place and keeps n-grams.
struct Stemmer::Impl {
  Xapian::TermGenerator generator;
  Xapian::Stem stem;
  bool stems = false;

  // Remembered, for a collection uses the same words again and again; forgotten all at once when there are
  // many.
  std::unordered_map<std::string, std::string> known;

  std::string stem_of(const std::string& word) {
    if (!stems || is_digit(word.front())) return word;
    const auto found = known.find(word);
    if (found != known.end()) return found->second;
    if (known.size() >= kMaxKnownStems) known.clear();
    std::string stemmed = stem(word);
    if (stemmed.empty()) stemmed = word;  // some Arabic words are nothing but affixes
    return known.emplace(word, std::move(stemmed)).first->second;
  }
};

Stemmer::Stemmer(std::string_view language) : impl_(std::make_unique<Impl>()) {
  impl_->generator.set_flags(Xapian::TermGenerator::FLAG_CJK_NGRAM);
  impl_->generator.set_stemming_strategy(Xapian::TermGenerator::STEM_NONE);
  if (language == kUnstemmed) return;
  try {
    impl_->stem = Xapian::Stem(std::string(language));
    impl_->stems = true;
  } catch (const Xapian::InvalidArgumentError&) {
    // A language this Xapian cannot stem: its words are taken as they are.
  }
}

Stemmer::~Stemmer() = default;
Stemmer::Stemmer(Stemmer&&) noexcept = default;
Stemmer& Stemmer::operator=(Stemmer&&) noexcept = default;

std::vector<CountedTerm> Stemmer::count(std::span<const std::string_view> texts) {
  Xapian::Document document;
  impl_->generator.set_document(document);
  for (const std::string_view text : texts) {
    impl_->generator.index_text_without_positions(std::string(text));
  }
  std::vector<CountedTerm> terms;
  for (auto term = document.termlist_begin(); term != document.termlist_end(); ++term) {
    const std::string word = *term;
    if (word.empty() || word.size() > kMaxTermBytes) continue;
    if (const auto number = number_inside(word); !number.empty())
      terms.push_back({std::string(number), term.get_wdf()});
    terms.push_back({impl_->stem_of(word), term.get_wdf()});
  }
  return terms;
}

std::vector<Stemmer::PlacedTerm> Stemmer::place(std::string_view text) {
  Xapian::Document document;
  impl_->generator.set_document(document);
  impl_->generator.set_termpos(0);
  impl_->generator.index_text(std::string(text));
  std::vector<PlacedTerm> terms;
  for (auto term = document.termlist_begin(); term != document.termlist_end(); ++term) {
    const std::string word = *term;
    if (word.empty() || word.size() > kMaxTermBytes) continue;
    if (term.positionlist_begin() == term.positionlist_end()) terms.push_back({0, word});
    for (auto position = term.positionlist_begin(); position != term.positionlist_end(); ++position) {
      terms.push_back({*position, impl_->stem_of(word)});
    }
  }
  std::stable_sort(terms.begin(), terms.end(),
                   [](const PlacedTerm& a, const PlacedTerm& b) { return a.position < b.position; });
  return terms;
}

std::string_view number_inside(std::string_view word) {
  constexpr std::size_t kFewestDigits = 4;
  for (std::size_t begin = 0; begin < word.size();) {
    std::size_t end = begin;
    while (end < word.size() && is_digit(word[end])) ++end;
    if (end - begin >= kFewestDigits && end - begin < word.size()) {
      // "1,577.25" is one number, not a word around one.
      const bool letters = std::any_of(word.begin(), word.end(), [](char c) { return c >= 'a' && c <= 'z'; });
      return letters ? word.substr(begin, end - begin) : std::string_view();
    }
    begin = std::max(end, begin + 1);
  }
  return {};
}

std::vector<QueryWord> words_of_question(std::string_view question, std::span<const std::string> languages) {
  std::vector<RawWord> raw = raw_words(question, languages);
  const bool only_stops = std::all_of(raw.begin(), raw.end(), [](const RawWord& word) { return word.stop; });
  std::vector<QueryWord> words;
  for (RawWord& word : raw) {
    if (words.size() == kMaxQueryWords) break;
    if ((only_stops || !word.stop) && !looks_for(words, word.word)) words.push_back(std::move(word.word));
  }
  return words;
}

std::vector<QueryWord> words_of_conversation(std::string_view question,
                                             std::span<const messages::Turn> history,
                                             std::span<const std::string> languages) {
  std::vector<QueryWord> words = words_of_question(question, languages);
  if (words.size() > kShortQuestionWords) return words;
  const auto previous = std::find_if(history.rbegin(), history.rend(),
                                     [](const messages::Turn& turn) { return turn.role == "user"; });
  if (previous == history.rend()) return words;
  for (QueryWord& word : words_of_question(previous->text, languages)) {
    if (words.size() == kMaxQueryWords) break;
    if (looks_for(words, word)) continue;
    word.weight = kHistoryWeight;
    words.push_back(std::move(word));
  }
  return words;
}

}  // namespace answermill::index
