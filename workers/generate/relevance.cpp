#include "workers/generate/relevance.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "shared/text/words.h"

namespace answermill::generate {
namespace {

using text::Word;
using text::WordKind;

std::string stem(const Word& word) {
  return word.kind == WordKind::kWord ? std::string(text::stem_of(word.folded)) : word.folded;
}

bool is_telling(const Word& word) {
  if (word.kind == WordKind::kNumber) return true;
  return !text::is_common_word(word.folded) && (word.folded.size() > 1 || word.kind == WordKind::kPair);
}

// "FY2022" speaks of 2022 as well.
std::string_view year_within(const Word& word) {
  constexpr std::size_t kDigits = 4;
  const std::string_view folded = word.folded;
  if (word.kind != WordKind::kWord || folded.size() <= kDigits) return {};
  const std::string_view end = folded.substr(folded.size() - kDigits);
  const char before = folded[folded.size() - kDigits - 1];
  const bool digits = std::all_of(end.begin(), end.end(), [](char c) { return c >= '0' && c <= '9'; });
  return digits && !(before >= '0' && before <= '9') ? end : std::string_view{};
}

bool has_any(std::string_view folded_question, const std::vector<std::string_view>& cues) {
  return std::any_of(cues.begin(), cues.end(), [&](std::string_view cue) {
    return folded_question.find(cue) != std::string_view::npos;
  });
}

}  // namespace

Terms::Terms(std::string_view text) {
  text::WordReader reader(text);
  Word word;
  while (reader.next(word)) {
    ++words_;
    has_number_ = has_number_ || word.kind == WordKind::kNumber;
    if (!is_telling(word)) continue;
    ++counts_[stem(word)];
    if (const std::string_view year = year_within(word); !year.empty()) ++counts_[std::string(year)];
  }
}

double Terms::match(std::string_view stem) const {
  if (counts_.count(stem) > 0) return 1;
  constexpr std::size_t kStart = 5;
  constexpr double kRelated = 0.6;
  if (stem.size() < kStart || (stem[0] >= '0' && stem[0] <= '9')) return 0;
  const std::string_view start = stem.substr(0, std::max(kStart, stem.size() * 7 / 10));
  const auto found = counts_.lower_bound(start);
  return found != counts_.end() && std::string_view(found->first).substr(0, start.size()) == start ? kRelated
                                                                                                   : 0;
}

double Terms::similarity(const Terms& other) const {
  std::size_t shared = 0;
  for (const auto& [stem, count] : counts_) shared += other.counts_.count(stem);
  const std::size_t all = counts_.size() + other.counts_.size() - shared;
  return all == 0 ? 1 : static_cast<double>(shared) / static_cast<double>(all);
}

Query::Query(std::string_view text, std::string_view context) {
  constexpr double kContextWeight = 0.4;
  const Terms before(context);
  const Terms asked(text);
  for (const auto& [stem, count] : before.counts()) weights_[stem] = kContextWeight;
  for (const auto& [stem, count] : asked.counts()) weights_[stem] = 1;
  if (weights_.empty()) {
    // Nothing but common words ("who is it?"): then they are what is asked.
    for (const Word& word : text::words_of(text)) weights_[stem(word)] = 1;
  }
  normalise();
}

void Query::weigh_by(const std::vector<Terms>& texts) {
  const auto total = static_cast<double>(texts.size());
  for (auto& [stem, weight] : weights_) {
    double having = 0;
    for (const Terms& terms : texts) having += terms.match(stem) > 0 ? 1 : 0;
    // A word found nowhere is likely a paraphrase: it must not outweigh the words that are there.
    weight *= having == 0 ? 0.7 : std::log(1.0 + total / having) / std::log(1.0 + total) + 0.15;
  }
  normalise();
}

void Query::fade(const std::vector<Terms>& names) {
  constexpr double kFaded = 0.3;
  for (auto& [stem, weight] : weights_) {
    const bool everywhere = std::all_of(names.begin(), names.end(), [&stem = stem](const Terms& name) {
      return name.counts().count(stem) > 0;
    });
    if (everywhere) weight *= kFaded;
  }
  normalise();
}

double Query::coverage(const Terms& terms) const {
  double sum = 0;
  for (const auto& [stem, weight] : weights_) sum += weight * terms.match(stem);
  return sum;
}

void Query::normalise() {
  double sum = 0;
  for (const auto& [stem, weight] : weights_) sum += weight;
  for (auto& [stem, weight] : weights_) weight /= sum;
}

AnswerCues cues_of(std::string_view question) {
  std::string folded = " ";
  for (const Word& word : text::words_of(question)) folded += word.folded + " ";
  AnswerCues cues;
  cues.number =
      has_any(folded, {" how much ", " how many ",  " how large ", " how high ", " how long ",   " how old ",
                       " percent",   " percentage", " amount ",    " number ",   " total ",      " ratio ",
                       " rate ",     " wie viel",   " wieviel",    " wie hoch ", " wie lange ",  " combien ",
                       " cuant",     " quant",      " hoeveel ",   " hur mang",  " hur mycket ", " berapa ",
                       " сколько ",  " كم "});
  cues.date =
      has_any(folded, {" when ", " what year ", " which year ", " what date ", " date ", " wann ", " quand ",
                       " cuando ", " quando ", " wanneer ", " kapan ", " когда ", " متي ", " nar "});
  cues.name = has_any(folded, {" who ", " whom ", " whose ", " wer ", " wen ", " qui ", " quien ", " chi ",
                               " quem ", " wie is ", " siapa ", " кто ", " من هو "});
  return cues;
}

}  // namespace answermill::generate
