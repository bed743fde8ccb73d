// Text of a PDF keeps the page's line breaks, so a line break says little: a paragraph runs over many lines,
// a table has one row on each. A line is a piece of its own when it looks like a row, a bullet or a heading;
// neighbouring other lines are joined and cut where sentences end.
#include "workers/generate/sentences.h"

#include <algorithm>
#include <array>
#include <string>

#include "shared/text/utf8.h"
#include "shared/text/words.h"

namespace answermill::generate {
namespace {

constexpr std::size_t kMaxPieceBytes = 700;

struct Line {
  std::size_t begin = 0;
  std::size_t end = 0;
};

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }

void trim(std::string_view text, std::size_t& begin, std::size_t& end) {
  while (begin < end && is_space(text[begin])) ++begin;
  while (end > begin && is_space(text[end - 1])) --end;
}

bool ends_sentence(std::string_view line) {
  if (line.empty()) return false;
  if (std::string_view(".!?:;").find(line.back()) != std::string_view::npos) return true;
  for (const std::string_view mark : {"。", "！", "？", "؟", "।", ".\"", ".)", ".”"}) {
    if (line.size() >= mark.size() && line.substr(line.size() - mark.size()) == mark) return true;
  }
  return false;
}

// A label followed by figures: two or more, one to three words each at most, or columns set apart.
bool is_row(std::string_view line) {
  std::size_t numbers = 0;
  std::size_t words = 0;
  text::WordReader reader(line);
  text::Word word;
  while (reader.next(word)) {
    // A number at the very beginning is that of a list or an exhibit.
    if (word.kind == text::WordKind::kNumber && word.begin > 0) ++numbers;
    if (word.kind != text::WordKind::kNumber) ++words;
  }
  if (numbers == 0 || words == 0) return false;
  const bool columns =
      line.find("  ") != std::string_view::npos || line.find('\t') != std::string_view::npos ||
      line.find(" | ") != std::string_view::npos || line.find("$ ") != std::string_view::npos;
  if (columns && words + numbers >= 2) return true;
  return numbers >= 2 && numbers * 3 >= words && !ends_sentence(line);
}

bool is_bullet(std::string_view line) {
  for (const std::string_view mark : {"•", "●", "▪", "■", "–", "·", "- ", "* "}) {
    if (line.substr(0, mark.size()) == mark) return true;
  }
  std::size_t digits = 0;
  while (digits < line.size() && is_digit(line[digits])) ++digits;
  return digits > 0 && digits <= 2 && digits + 1 < line.size() &&
         (line[digits] == '.' || line[digits] == ')') && line[digits + 1] == ' ';
}

// A short line that no sentence runs on from: the next one begins anew.
bool is_heading(std::string_view line, std::string_view next) {
  constexpr std::size_t kMaxHeading = 60;
  if (line.size() > kMaxHeading || ends_sentence(line) || line.back() == ',') return false;
  if (line.front() == '#') return true;
  return next.empty() ||
         (!is_lower(next.front()) && !is_lower(line.front()) && next.size() > line.size() + 15);
}

bool is_abbreviation(std::string_view before_dot) {
  constexpr std::array<std::string_view, 26> kKnown = {
      "mr", "mrs", "ms",  "dr", "prof",   "st",  "no",  "nos", "vs", "inc", "ltd", "co",  "corp",
      "jr", "sr",  "fig", "eq", "approx", "etc", "bzw", "ca",  "nr", "abs", "usw", "e.g", "i.e"};
  std::size_t begin = before_dot.size();
  while (begin > 0 && !is_space(before_dot[begin - 1]) && before_dot[begin - 1] != '(') --begin;
  std::string word(before_dot.substr(begin));
  if (word.size() == 1 && !is_digit(word[0])) return true;            // "J. Smith"
  if (word.size() >= 3 && word[word.size() - 2] == '.') return true;  // "U.S."
  std::transform(word.begin(), word.end(), word.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return std::find(kKnown.begin(), kKnown.end(), word) != kKnown.end();
}

// The end of the sentence mark at `at` (its closing quotes included), or 0 when no sentence ends there.
std::size_t sentence_end(std::string_view text, std::size_t begin, std::size_t at, std::size_t limit) {
  for (const std::string_view wide : {"。", "！", "？", "।", "؟"}) {
    if (text.substr(at, wide.size()) == wide) return at + wide.size();
  }
  const char c = text[at];
  if (c != '.' && c != '!' && c != '?') return 0;
  std::size_t end = at + 1;
  while (end < limit) {
    if (text[end] == '"' || text[end] == '\'' || text[end] == ')' || text[end] == ']') {
      ++end;
    } else if (text.substr(end, 3) == "”" || text.substr(end, 3) == "’") {
      end += 3;
    } else {
      break;
    }
  }
  if (end == limit) return end;
  if (!is_space(text[end])) return 0;
  std::size_t next = end;
  while (next < limit && is_space(text[next])) ++next;
  if (next < limit && is_lower(text[next])) return 0;
  if (c == '.' && is_abbreviation(text.substr(begin, at - begin))) return 0;
  return end;
}

class Splitter {
 public:
  explicit Splitter(std::string_view text) : text_(text) {}

  std::vector<Piece> split() {
    read_lines();
    std::size_t prose = std::string_view::npos;  // where the running paragraph began
    std::size_t prose_end = 0;
    const auto end_prose = [&] {
      if (prose != std::string_view::npos) cut_prose(prose, prose_end);
      prose = std::string_view::npos;
    };
    for (std::size_t i = 0; i < lines_.size(); ++i) {
      const Line& line = lines_[i];
      const std::string_view content = text_.substr(line.begin, line.end - line.begin);
      const std::string_view next =
          i + 1 < lines_.size() ? text_.substr(lines_[i + 1].begin, lines_[i + 1].end - lines_[i + 1].begin)
                                : "";
      if (content.empty()) {
        end_prose();
      } else if (is_row(content)) {
        end_prose();
        add(line.begin, line.end, true);
      } else {
        if (is_bullet(content) || (prose == std::string_view::npos && is_heading(content, next))) end_prose();
        if (prose == std::string_view::npos) prose = line.begin;
        prose_end = line.end;
        if (prose == line.begin && is_heading(content, next)) end_prose();
      }
    }
    end_prose();
    return std::move(pieces_);
  }

 private:
  void read_lines() {
    for (std::size_t begin = 0; begin <= text_.size();) {
      const std::size_t stop = std::min(text_.find('\n', begin), text_.size());
      Line line{begin, stop};
      trim(text_, line.begin, line.end);
      lines_.push_back(line);
      begin = stop + 1;
    }
  }

  void cut_prose(std::size_t begin, std::size_t end) {
    std::size_t start = begin;
    for (std::size_t at = begin; at < end;) {
      const std::size_t stop = sentence_end(text_, start, at, end);
      if (stop != 0) {
        add(start, stop, false);
        start = stop;
        at = stop;
      } else {
        ++at;
      }
    }
    add(start, end, false);
  }

  void add(std::size_t begin, std::size_t end, bool tabular) {
    trim(text_, begin, end);
    while (end - begin > kMaxPieceBytes) {
      std::size_t cut = text_.find_last_of(" \n", begin + kMaxPieceBytes);
      if (cut == std::string_view::npos || cut <= begin + kMaxPieceBytes / 2) {
        cut = begin + text::floor_boundary(text_.substr(begin), kMaxPieceBytes);
      }
      std::size_t part_end = cut;
      trim(text_, begin, part_end);
      pieces_.push_back({begin, part_end, tabular});
      begin = cut;
      trim(text_, begin, end);
    }
    if (begin < end) pieces_.push_back({begin, end, tabular});
  }

  std::string_view text_;
  std::vector<Line> lines_;
  std::vector<Piece> pieces_;
};

}  // namespace

std::vector<Piece> split_pieces(std::string_view text) { return Splitter(text).split(); }

}  // namespace answermill::generate
