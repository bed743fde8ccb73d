#include "shared/text/words.h"

#include <algorithm>
#include <array>

#include "shared/text/utf8.h"

namespace answermill::text {
namespace {

// Base letters of U+00C0…U+017F; '?' where the code point is no letter.
constexpr std::string_view kLatinBase =
    "aaaaaaaceeeeiiiidnooooo?ouuuuytsaaaaaaaceeeeiiiidnooooo?ouuuuytyaaaaaaccccccccddddeeeeeeeeeegggg"
    "gggghhhhiiiiiiiiiiiijjkkkllllllllllnnnnnnnnnoooooooorrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs";

bool in(char32_t c, char32_t low, char32_t high) { return c >= low && c <= high; }

bool is_digit(char32_t c) { return in(c, '0', '9') || in(c, 0xFF10, 0xFF19); }

bool has_no_spaces(char32_t c) {
  return in(c, 0x3040, 0x30FF) || in(c, 0x3400, 0x4DBF) || in(c, 0x4E00, 0x9FFF) || in(c, 0xAC00, 0xD7AF) ||
         in(c, 0xF900, 0xFAFF) || in(c, 0xFF66, 0xFF9D) || in(c, 0x0E01, 0x0EFF) || in(c, 0x1000, 0x109F) ||
         in(c, 0x1780, 0x17D3) || in(c, 0x20000, 0x3FFFF);
}

bool is_letter(char32_t c) {
  if (c < 0x80) return in(c, 'a', 'z') || in(c, 'A', 'Z');
  if (c < 0xC0) return c == 0xAA || c == 0xB5 || c == 0xBA;
  if (c == 0xD7 || c == 0xF7 || c == kReplacement) return false;
  if (in(c, 0x2000, 0x2BFF) || in(c, 0x2E00, 0x303F) || in(c, 0x30FB, 0x30FB))
    return false;  // punctuation, symbols
  if (in(c, 0xFE10, 0xFE6F) || in(c, 0xE000, 0xF8FF)) return false;
  if (in(c, 0xFF00, 0xFFEF)) return in(c, 0xFF21, 0xFF3A) || in(c, 0xFF41, 0xFF5A) || has_no_spaces(c);
  if (c == 0x060C || c == 0x061B || c == 0x061F || c == 0x06D4) return false;  // Arabic punctuation
  if (c == 0x0964 || c == 0x0965 || c == 0x037E || c == 0x0387 || c == 0x055D || c == 0x0589) return false;
  return c < 0x1F000 || c >= 0x20000;  // emoji are no letters
}

char32_t fold_arabic(char32_t c) {
  if (in(c, 0x064B, 0x065F) || c == 0x0640 || c == 0x0670) return 0;
  if (c == 0x0622 || c == 0x0623 || c == 0x0625 || c == 0x0671) return 0x0627;
  if (c == 0x0649 || c == 0x06CC) return 0x064A;
  if (c == 0x0629) return 0x0647;
  if (in(c, 0x0660, 0x0669)) return c - 0x0660 + '0';
  return c;
}

char32_t fold_greek(char32_t c) {
  switch (c) {
    case 0x0386:
    case 0x03AC:
      return 0x03B1;
    case 0x0388:
    case 0x03AD:
      return 0x03B5;
    case 0x0389:
    case 0x03AE:
      return 0x03B7;
    case 0x038A:
    case 0x03AF:
    case 0x0390:
    case 0x03AA:
    case 0x03CA:
      return 0x03B9;
    case 0x038C:
    case 0x03CC:
      return 0x03BF;
    case 0x038E:
    case 0x03CD:
    case 0x03B0:
    case 0x03AB:
    case 0x03CB:
      return 0x03C5;
    case 0x038F:
    case 0x03CE:
      return 0x03C9;
    case 0x03C2:
      return 0x03C3;
    default:
      return in(c, 0x0391, 0x03A9) ? c + 0x20 : c;
  }
}

char32_t fold_cyrillic(char32_t c) {
  if (c == 0x0401 || c == 0x0451) return 0x0435;
  if (in(c, 0x0400, 0x040F)) return c + 0x50;
  if (in(c, 0x0410, 0x042F)) return c + 0x20;
  if (in(c, 0x0460, 0x0481) || in(c, 0x048A, 0x04BF) || in(c, 0x04D0, 0x052F)) return c | 1U;
  return c;
}

// U+1E00…U+1EFF: Vietnamese and other Latin letters with marks.
char32_t fold_latin_additional(char32_t c) {
  struct Range {
    char32_t last;
    char32_t base;
  };
  constexpr std::array<Range, 6> kVietnamese = {
      {{0x1EB7, 'a'}, {0x1EC7, 'e'}, {0x1ECB, 'i'}, {0x1EE3, 'o'}, {0x1EF1, 'u'}, {0x1EF9, 'y'}}};
  if (c >= 0x1EA0) {
    for (const Range& range : kVietnamese) {
      if (c <= range.last) return range.base;
    }
  }
  return c | 1U;
}

}  // namespace

char32_t fold_code_point(char32_t c) {
  if (c < 0x80) return in(c, 'A', 'Z') ? c + 0x20 : c;
  if (in(c, 0xC0, 0x17F)) {
    const char base = kLatinBase[c - 0xC0];
    return base == '?' ? c : static_cast<char32_t>(base);
  }
  if (c == 0x1A0 || c == 0x1A1) return 'o';
  if (c == 0x1AF || c == 0x1B0) return 'u';
  if (in(c, 0x0300, 0x036F) || c == 0x00AD || c == 0x200C || c == 0x200D) return 0;
  if (in(c, 0x0370, 0x03FF)) return fold_greek(c);
  if (in(c, 0x0400, 0x052F)) return fold_cyrillic(c);
  if (in(c, 0x0531, 0x0556)) return c + 0x30;
  if (in(c, 0x0600, 0x06FF)) return fold_arabic(c);
  if (in(c, 0x1E00, 0x1EFF)) return fold_latin_additional(c);
  if (in(c, 0xFF01, 0xFF5E)) return fold_code_point(c - 0xFEE0);
  return c;
}

bool WordReader::next(Word& word) {
  while (at_ < text_.size()) {
    const std::size_t begin = at_;
    std::size_t after = at_;
    const char32_t c = next_code_point(text_, after);
    if (has_no_spaces(c)) {
      if (read_pair(word, begin)) return true;
      continue;
    }
    in_pairs_ = false;
    if (is_digit(c)) {
      read_number(word, begin);
      return true;
    }
    if (is_letter(c)) {
      read_word(word, begin);
      if (!word.folded.empty()) return true;
      continue;
    }
    at_ = after;
  }
  return false;
}

bool WordReader::read_pair(Word& word, std::size_t begin) {
  const char32_t first = next_code_point(text_, at_);
  std::size_t after = at_;
  const char32_t second = after < text_.size() ? next_code_point(text_, after) : 0;
  const bool paired = second != 0 && has_no_spaces(second);
  const bool ends_run = in_pairs_ && !paired;
  in_pairs_ = paired;
  if (ends_run) return false;  // the last sign was part of the pair before
  word.folded.clear();
  append_code_point(word.folded, first);
  if (paired) append_code_point(word.folded, second);
  word.begin = begin;
  word.end = paired ? after : at_;
  word.kind = WordKind::kPair;
  return true;
}

void WordReader::read_word(Word& word, std::size_t begin) {
  word.folded.clear();
  word.kind = WordKind::kWord;
  while (at_ < text_.size()) {
    std::size_t after = at_;
    const char32_t c = next_code_point(text_, after);
    if ((!is_letter(c) && !is_digit(c) && c != 0x00AD) || has_no_spaces(c)) break;
    if (const char32_t folded = fold_code_point(c)) append_code_point(word.folded, folded);
    at_ = after;
  }
  word.begin = begin;
  word.end = at_;
}

void WordReader::read_number(Word& word, std::size_t begin) {
  word.folded.clear();
  word.kind = WordKind::kNumber;
  while (at_ < text_.size()) {
    std::size_t after = at_;
    const char32_t c = next_code_point(text_, after);
    const bool digit_follows = after < text_.size() && text_[after] >= '0' && text_[after] <= '9';
    if (is_digit(c)) {
      append_code_point(word.folded, fold_code_point(c));
    } else if (is_letter(c) && !has_no_spaces(c)) {
      word.kind = WordKind::kWord;  // "3m", "10k", "2nd"
      if (const char32_t folded = fold_code_point(c)) append_code_point(word.folded, folded);
    } else if (c == '.' && digit_follows) {
      word.folded += '.';
    } else if (c != ',' || !digit_follows) {
      break;
    }
    at_ = after;
  }
  word.begin = begin;
  word.end = at_;
}

std::vector<Word> words_of(std::string_view text) {
  std::vector<Word> words;
  WordReader reader(text);
  Word word;
  while (reader.next(word)) words.push_back(word);
  return words;
}

std::string_view stem_of(std::string_view folded) {
  constexpr std::size_t kLeast = 3;
  constexpr std::array<std::string_view, 12> kEndings = {"ations", "ation", "ings", "ing", "edly", "ies",
                                                         "ed",     "es",    "ly",   "s",   "e",    "y"};
  if (folded.size() > 4 && folded.substr(folded.size() - 2) == "ss") return folded;
  for (const std::string_view ending : kEndings) {
    if (folded.size() < ending.size() + std::max(kLeast, ending.size())) continue;
    if (folded.substr(folded.size() - ending.size()) == ending)
      return folded.substr(0, folded.size() - ending.size());
  }
  return folded;
}

}  // namespace answermill::text
