#include "workers/extract/page_text.h"

#include <algorithm>

#include "workers/extract/code_points.h"
#include "workers/extract/columns.h"

namespace answermill::extract {
namespace {

bool is_dropped(char32_t c) {
  return (c < 0x20 && c != U'\n' && c != U'\t') || (c >= 0x7F && c <= 0x9F) || c == 0xAD || c == 0x061C ||
         c == 0x180E || (c >= 0x200B && c <= 0x200F) || (c >= 0x202A && c <= 0x202E) ||
         (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF || (c >= 0xFDD0 && c <= 0xFDEF) ||
         (c & 0xFFFE) == 0xFFFE;
}

std::u32string_view ligature(char32_t c) {
  switch (c) {
    case 0xFB00:
      return U"ff";
    case 0xFB01:
      return U"fi";
    case 0xFB02:
      return U"fl";
    case 0xFB03:
      return U"ffi";
    case 0xFB04:
      return U"ffl";
    case 0xFB05:
      return U"st";
    case 0xFB06:
      return U"st";
    default:
      return {};
  }
}

// One code point per character we keep, '\n' for every line end.
std::u32string clean(std::string_view utf8) {
  const std::u32string in = to_code_points(utf8);
  std::u32string out;
  out.reserve(in.size());
  for (std::size_t i = 0; i < in.size(); ++i) {
    const char32_t c = in[i];
    if (c == U'\r') {
      if (i + 1 < in.size() && in[i + 1] == U'\n') continue;
      out.push_back(U'\n');
    } else if (c == 0x0C || c == 0x0B || c == 0x85 || c == 0x2028 || c == 0x2029) {
      out.push_back(U'\n');
    } else if (is_dropped(c)) {
      continue;
    } else if (const auto letters = ligature(c); !letters.empty()) {
      out += letters;
    } else if (c == 0xF0B7 || c == 0xF0A7) {
      out.push_back(0x2022);  // the bullets of Symbol and Wingdings, which PDFs leave in the private use area
    } else if (c != U'\n' && c != U'\t' && is_space(c)) {
      out.push_back(U' ');
    } else {
      out.push_back(c);
    }
  }
  return out;
}

Lines split_lines(std::u32string_view text) {
  Lines lines;
  std::size_t begin = 0;
  while (begin <= text.size()) {
    const std::size_t end = std::min(text.find(U'\n', begin), text.size());
    lines.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

// Runs of spaces become one, or two where a layout gap separates cells.
std::u32string collapse_gaps(std::u32string_view line) {
  std::u32string out;
  std::size_t spaces = 0;
  for (const char32_t c : line) {
    if (is_space(c)) {
      spaces += c == U'\t' ? 4 : 1;
      continue;
    }
    if (spaces > 0 && !out.empty()) out.append(spaces >= 3 ? 2 : 1, U' ');
    spaces = 0;
    out.push_back(c);
  }
  return out;
}

std::u32string trim_right(std::u32string line) {
  while (!line.empty() && is_space(line.back())) line.pop_back();
  return line;
}

std::u32string join_lines(const Lines& lines) {
  std::u32string out;
  bool blank_before = true;
  for (const auto& line : lines) {
    if (line.empty() && blank_before) continue;
    blank_before = line.empty();
    if (!out.empty() || !line.empty()) {
      out += line;
      out.push_back(U'\n');
    }
  }
  while (!out.empty() && is_space(out.back())) out.pop_back();
  return out;
}

// Joins "adip-⏎iscing elit" to "adipiscing⏎elit". The hyphen stays where the page spells the word with it
// elsewhere.
void join_hyphenated(Lines& lines) {
  const std::u32string whole = join_lines(lines);
  for (std::size_t i = 0; i + 1 < lines.size(); ++i) {
    auto& line = lines[i];
    auto& next = lines[i + 1];
    if (line.size() < 3 || line.back() != U'-' || !is_lower(line[line.size() - 2]) || next.empty()) continue;
    if (!is_lower(next[0]) || next.find(U"  ") != std::u32string::npos) continue;
    std::size_t head = line.size() - 1;
    while (head > 0 && is_letter(line[head - 1])) --head;
    std::size_t tail = 0;
    while (tail < next.size() && is_letter(next[tail])) ++tail;
    const std::u32string with_hyphen = line.substr(head) + next.substr(0, tail);
    if (whole.find(with_hyphen) == std::u32string::npos) line.pop_back();
    const std::size_t word_end = std::min(next.find(U' '), next.size());
    line += next.substr(0, word_end);
    next.erase(0, std::min(word_end + 1, next.size()));
    // An emptied line would look like the end of a paragraph.
    if (next.empty()) lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(i) + 1);
  }
}

std::string limited(std::string text) {
  if (text.size() > kMaxPageBytes) text.resize(text::floor_boundary(text, kMaxPageBytes));
  while (!text.empty() && (text.back() == ' ' || text.back() == '\n' || text.back() == '\t')) text.pop_back();
  return text;
}

}  // namespace

std::string normalise_pdf_page(std::string_view utf8) {
  Lines lines = split_lines(clean(utf8.substr(0, text::floor_boundary(utf8, 16 * kMaxPageBytes))));
  for (auto& line : lines) line = trim_right(std::move(line));
  lines = in_reading_order(std::move(lines));
  for (auto& line : lines) line = collapse_gaps(line);
  join_hyphenated(lines);
  return limited(to_utf8(join_lines(lines)));
}

std::string normalise_text_page(std::string_view utf8) {
  Lines lines = split_lines(clean(utf8));
  for (auto& line : lines) line = trim_right(std::move(line));
  std::u32string joined = join_lines(lines);
  // Only blank columns before the first character go: the first line's indentation carries nothing.
  joined.erase(0, std::min(joined.find_first_not_of(U" \t"), joined.size()));
  return limited(to_utf8(joined));
}

}  // namespace answermill::extract
