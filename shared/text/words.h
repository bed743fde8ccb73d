// Words of any script, folded for comparison: lower case, without diacritics, numbers whole, scripts without
// spaces as overlapping pairs. The same bytes give the same words on every machine (no locale, no ICU
// version).
//
// Thread: any; a WordReader belongs to one. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace answermill::text {

enum class WordKind : std::uint8_t {
  kWord,    // letters, perhaps with digits among them
  kNumber,  // digits with inner points; "1,234" reads "1234"
  kPair,    // two neighbouring signs of a script without spaces (Han, Kana, Hangul, Thai …), or a lone one
};

struct Word {
  std::string folded;
  std::size_t begin = 0;  // bytes of the text
  std::size_t end = 0;
  WordKind kind = WordKind::kWord;
};

class WordReader {
 public:
  // `text` is valid UTF-8 and outlives the reader.
  explicit WordReader(std::string_view text) : text_(text) {}

  // The next word in order; false at the end. Reuses the word's memory.
  bool next(Word& word);

 private:
  bool read_pair(Word& word, std::size_t begin);
  void read_word(Word& word, std::size_t begin);
  void read_number(Word& word, std::size_t begin);

  std::string_view text_;
  std::size_t at_ = 0;
  bool in_pairs_ = false;  // the sign at at_ was the second of the pair before
};

std::vector<Word> words_of(std::string_view text);

// Lower case without diacritics; 0 for marks that vanish.
char32_t fold_code_point(char32_t code_point);

// A word without its commonest endings, the same for "revenue", "revenues" and "Revenue's". Light on purpose:
// for matching question and sentence, not for linguistics.
std::string_view stem_of(std::string_view folded);

// True for the, und, que … of eleven languages.
bool is_common_word(std::string_view folded);

}  // namespace answermill::text
