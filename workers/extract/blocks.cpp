#include "workers/extract/blocks.h"

#include <algorithm>

#include "workers/extract/code_points.h"

namespace answermill::extract {
namespace {

struct Line {
  std::size_t begin = 0;  // of its text, white space around it left out
  std::size_t end = 0;
  bool blank() const { return begin == end; }
};

std::vector<Line> lines_of(std::u32string_view text) {
  std::vector<Line> lines;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t stop = std::min(text.find(U'\n', begin), text.size());
    Line line{begin, stop};
    while (line.begin < line.end && is_space(text[line.begin])) ++line.begin;
    while (line.end > line.begin && is_space(text[line.end - 1])) --line.end;
    lines.push_back(line);
    begin = stop + 1;
  }
  return lines;
}

std::u32string_view view(std::u32string_view text, const Line& line) {
  return text.substr(line.begin, line.end - line.begin);
}

// "- x", "• x", "* x", "3. x", "(a) x", "iv) x"
bool is_list_item(std::u32string_view line) {
  if (line.size() < 2) return false;
  constexpr std::u32string_view kBullets = U"-*+\u2022\u25CF\u25AA\u2013\u25E6\u2023\u25CB\u25A0";
  if (kBullets.find(line[0]) != std::u32string_view::npos) return is_space(line[1]);
  std::size_t at = line[0] == U'(' ? 1 : 0;
  const std::size_t first = at;
  while (at < line.size() && at - first < 4 && (is_digit(line[at]) || is_lower(line[at]))) ++at;
  if (at == first || at + 1 >= line.size()) return false;
  const bool numbered = is_digit(line[first]) || at - first == 1 || line[at] == U')';
  const bool mark = line[at] == U')' || (line[at] == U'.' && first == 0);
  return numbered && mark && is_space(line[at + 1]);
}

// A cell gap: two spaces or a tab between texts, or Markdown's bars.
bool is_table_row(std::u32string_view line) {
  if (std::count(line.begin(), line.end(), U'|') >= 2) return true;
  std::size_t gaps = 0;
  bool digits = false;
  for (std::size_t i = 0; i + 1 < line.size(); ++i) {
    digits = digits || is_digit(line[i]) || is_digit(line[i + 1]);
    if (line[i] == U'\t' || (line[i] == U' ' && line[i + 1] == U' ')) {
      ++gaps;
      while (i + 1 < line.size() && is_space(line[i + 1])) ++i;
    }
  }
  return gaps >= 2 || (gaps == 1 && digits);
}

bool is_all_capitals(std::u32string_view line) {
  std::size_t upper = 0;
  for (const char32_t c : line) {
    if (is_lower(c)) return false;
    upper += is_upper(c) ? 1 : 0;
  }
  return upper >= 4;
}

// "1.2 Scope", "Item 7A. …", "Note 12 – …", "PART II", "Chapter 3"
bool is_numbered_heading(std::u32string_view line) {
  for (const std::u32string_view word :
       {U"ITEM ", U"Item ", U"NOTE ", U"Note ", U"PART ", U"Part ", U"CHAPTER ", U"Chapter ", U"Section ",
        U"SECTION ", U"Appendix ", U"APPENDIX "}) {
    if (line.size() > word.size() + 1 && line.substr(0, word.size()) == word) {
      return is_digit(line[word.size()]) || is_upper(line[word.size()]);
    }
  }
  std::size_t at = 0;
  std::size_t dots = 0;
  while (at < line.size() && (is_digit(line[at]) || line[at] == U'.')) dots += line[at++] == U'.' ? 1 : 0;
  return at > 0 && at < 8 && at + 2 < line.size() && is_digit(line[0]) && dots > 0 && line[at] == U' ' &&
         is_upper(line[at + 1]);
}

// The share of words that begin with a capital, of those long enough to carry one in a title.
bool is_title_case(std::u32string_view line) {
  std::size_t words = 0;
  std::size_t capital = 0;
  for (std::size_t i = 0; i < line.size();) {
    while (i < line.size() && is_space(line[i])) ++i;
    const std::size_t begin = i;
    while (i < line.size() && !is_space(line[i])) ++i;
    if (i - begin < 4 && begin != 0) continue;
    ++words;
    capital += begin < line.size() && (is_upper(line[begin]) || is_digit(line[begin])) ? 1 : 0;
  }
  return words > 0 && is_upper(line[0]) && capital * 3 >= words * 2;
}

bool looks_like_heading(std::u32string_view line) {
  if (line.size() < 3 || line.size() > 110) return false;
  const auto letters = static_cast<std::size_t>(std::count_if(line.begin(), line.end(), is_letter));
  if (letters < 3 || letters * 2 < line.size()) return false;
  const char32_t last = line.back();
  constexpr std::u32string_view kNotAtEnd = U".,;:!\u3002\uFF0C\uFF1B\uFF1A-";
  if (is_numbered_heading(line)) return last != U',' && last != U';';
  if (is_all_capitals(line)) return last != U',' && last != U';' && last != U'-';  // "ADOBE INC."
  if (kNotAtEnd.find(last) != std::u32string_view::npos) return false;
  return line.size() <= 80 && is_title_case(line);
}

// Level of "## Title", 0 for none.
std::size_t markdown_level(std::u32string_view line) {
  const std::size_t level = std::min(line.find_first_not_of(U'#'), line.size());
  return level >= 1 && level <= 6 && level < line.size() && line[level] == U' ' ? level : 0;
}

bool is_fence(std::u32string_view line) { return line.substr(0, 3) == U"```" || line.substr(0, 3) == U"~~~"; }

bool is_underline(std::u32string_view line) {
  return line.size() >= 3 && (line[0] == U'=' || line[0] == U'-') &&
         line.find_first_not_of(line[0]) == std::u32string_view::npos;
}

BlockType body_type(std::u32string_view text, const std::vector<Line>& lines, std::size_t first,
                    std::size_t last) {
  std::size_t rows = 0;
  for (std::size_t i = first; i < last; ++i) rows += is_table_row(view(text, lines[i])) ? 1 : 0;
  if (rows * 2 >= last - first) return BlockType::kTable;
  return is_list_item(view(text, lines[first])) ? BlockType::kList : BlockType::kParagraph;
}

class Splitter {
 public:
  Splitter(std::u32string_view text, Markup markup) : text_(text), markup_(markup), lines_(lines_of(text)) {}

  std::vector<Block> run() {
    for (std::size_t i = 0; i < lines_.size();) {
      if (lines_[i].blank()) {
        ++i;
        continue;
      }
      i = markup_ == Markup::kMarkdown ? take_markdown(i) : take_plain(i);
    }
    settle_tables();
    return std::move(blocks_);
  }

 private:
  void add(BlockType type, std::size_t first, std::size_t last) {
    blocks_.push_back({type, lines_[first].begin, lines_[last - 1].end});
  }

  std::size_t run_end(std::size_t first) const {
    std::size_t last = first;
    while (last < lines_.size() && !lines_[last].blank()) ++last;
    return last;
  }

  std::size_t take_markdown(std::size_t first) {
    const auto line = view(text_, lines_[first]);
    if (is_fence(line)) {
      std::size_t last = first + 1;
      while (last < lines_.size() && !is_fence(view(text_, lines_[last]))) ++last;
      last = std::min(last + 1, lines_.size());
      while (last > first + 1 && lines_[last - 1].blank()) --last;
      add(BlockType::kParagraph, first, last);
      return last;
    }
    if (markdown_level(line) > 0) {
      add(BlockType::kHeading, first, first + 1);
      return first + 1;
    }
    if (first + 1 < lines_.size() && is_underline(view(text_, lines_[first + 1])) && !is_list_item(line)) {
      add(BlockType::kHeading, first, first + 2);
      return first + 2;
    }
    std::size_t last = first + 1;
    while (last < lines_.size() && !lines_[last].blank() && !is_fence(view(text_, lines_[last])) &&
           markdown_level(view(text_, lines_[last])) == 0) {
      ++last;
    }
    add(body_type(text_, lines_, first, last), first, last);
    return last;
  }

  // Leading lines of a run that look like headings are one; the rest is split where prose turns into a table.
  std::size_t take_plain(std::size_t first) {
    const std::size_t last = run_end(first);
    if (all_headings(first, last)) {
      add(BlockType::kHeading, first, last);
      return last;
    }
    std::size_t at = first;
    while (at < last && at - first < 3 && looks_like_heading(view(text_, lines_[at])) &&
           !is_table_row(view(text_, lines_[at])) && heading_may_end(at, last)) {
      ++at;
    }
    if (at > first) add(BlockType::kHeading, first, at);
    while (at < last) {
      const std::size_t stop = same_kind_end(at, last);
      add(body_type(text_, lines_, at, stop), at, stop);
      at = stop;
    }
    return last;
  }

  // Title and subtitle between blank lines.
  bool all_headings(std::size_t first, std::size_t last) const {
    if (last - first > 3) return false;
    for (std::size_t i = first; i < last; ++i) {
      const auto line = view(text_, lines_[i]);
      if (!looks_like_heading(line) || is_table_row(line)) return false;
    }
    return true;
  }

  // A title-case first line of a paragraph is prose: a heading is followed by a blank line, a new sentence or
  // a table.
  bool heading_may_end(std::size_t at, std::size_t last) const {
    if (at + 1 >= last) return true;
    const auto next = view(text_, lines_[at + 1]);
    const auto line = view(text_, lines_[at]);
    if (is_all_capitals(line) || is_numbered_heading(line)) return true;
    if (is_table_row(next)) return false;  // "Years Ended" above the years is part of the table
    return line.size() * 3 < next.size() * 2 && !next.empty() && !is_lower(next[0]) && line.size() <= 60;
  }

  // Where a run of table rows or of other lines ends; two lines of the other kind in a row end it.
  std::size_t same_kind_end(std::size_t first, std::size_t last) const {
    const bool table = is_table_row(view(text_, lines_[first]));
    for (std::size_t i = first + 1; i < last; ++i) {
      if (is_table_row(view(text_, lines_[i])) == table) continue;
      const bool turns = i + 1 >= last || is_table_row(view(text_, lines_[i + 1])) != table;
      if (turns && (table || i + 2 < last)) return table && i + 1 >= last ? last : i;
    }
    return last;
  }

  // Short lines among tables are captions of row groups ("Current assets"), no headings.
  void settle_tables() {
    for (std::size_t i = 1; i + 1 < blocks_.size(); ++i) {
      auto& block = blocks_[i];
      if (blocks_[i - 1].type != BlockType::kTable || blocks_[i + 1].type != BlockType::kTable) continue;
      if (block.end - block.begin <= 60 && block.type != BlockType::kTable && markup_ == Markup::kPlain) {
        block.type = BlockType::kTable;
      }
    }
  }

  std::u32string_view text_;
  Markup markup_;
  std::vector<Line> lines_;
  std::vector<Block> blocks_;
};

}  // namespace

std::string_view to_string(BlockType type) {
  switch (type) {
    case BlockType::kParagraph:
      return "paragraph";
    case BlockType::kHeading:
      return "heading";
    case BlockType::kList:
      return "list";
    case BlockType::kTable:
      return "table";
  }
  return "paragraph";
}

std::vector<Block> split_blocks(std::u32string_view text, Markup markup) {
  return Splitter(text, markup).run();
}

}  // namespace answermill::extract
