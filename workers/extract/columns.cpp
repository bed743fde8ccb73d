#include "workers/extract/columns.h"

#include <algorithm>
#include <optional>

#include "workers/extract/code_points.h"

namespace answermill::extract {
namespace {

constexpr std::size_t kMinLines = 8;         // fewer lines beside each other are no columns
constexpr std::size_t kMinSideLetters = 18;  // of a line's half, on average
constexpr std::size_t kMinSideWords = 3;

struct Side {
  std::size_t letters = 0;
  std::size_t digits = 0;
  std::size_t words = 0;
  std::size_t lines = 0;

  void add(std::u32string_view part) {
    bool in_word = false;
    for (const char32_t c : part) {
      letters += is_letter(c) ? 1 : 0;
      digits += is_digit(c) ? 1 : 0;
      if (is_space(c)) {
        in_word = false;
      } else if (!in_word) {
        in_word = true;
        ++words;
      }
    }
    ++lines;
  }
  bool is_prose() const {
    return lines > 0 && letters >= kMinSideLetters * lines && words >= kMinSideWords * lines &&
           digits * 6 < letters;
  }
};

bool blank(std::u32string_view part) { return std::all_of(part.begin(), part.end(), is_space); }

bool space_at(const std::u32string& line, std::size_t column) {
  return column >= line.size() || is_space(line[column]);
}

// A gutter between `column - 1` and `column`: two spaces before the right side's first character.
enum class Shape { kBlank, kLeft, kRight, kBoth, kCrossing };

Shape shape_of(const std::u32string& line, std::size_t column) {
  if (blank(line)) return Shape::kBlank;
  if (!space_at(line, column - 1) || !space_at(line, column - 2)) {
    // Text may end right before the gutter when nothing follows.
    const bool ends_here = line.size() <= column || blank(std::u32string_view(line).substr(column));
    return ends_here ? Shape::kLeft : Shape::kCrossing;
  }
  const bool left = !blank(std::u32string_view(line).substr(0, std::min(column, line.size())));
  const bool right = line.size() > column && !blank(std::u32string_view(line).substr(column));
  if (left && right) return Shape::kBoth;
  return left ? Shape::kLeft : Shape::kRight;
}

// Columns where the right halves of lines begin, with the number of lines that do.
std::vector<std::size_t> starts_per_column(const Lines& lines, std::size_t width) {
  std::vector<std::size_t> starts(width + 1, 0);
  for (const auto& line : lines) {
    bool seen_text = false;
    for (std::size_t i = 0; i < line.size(); ++i) {
      if (is_space(line[i])) continue;
      if (seen_text && i >= 2 && is_space(line[i - 1]) && is_space(line[i - 2])) ++starts[i];
      seen_text = true;
    }
  }
  return starts;
}

std::optional<std::size_t> find_gutter(const Lines& lines) {
  std::size_t width = 0;
  std::size_t filled = 0;
  for (const auto& line : lines) {
    width = std::max(width, line.size());
    filled += blank(line) ? 0 : 1;
  }
  if (filled < kMinLines || width < 50) return std::nullopt;
  const auto starts = starts_per_column(lines, width);
  const auto low = starts.begin() + static_cast<std::ptrdiff_t>(width / 4);
  const auto high = starts.begin() + static_cast<std::ptrdiff_t>(width * 3 / 4);
  const auto best = std::max_element(low, high);
  if (*best < kMinLines) return std::nullopt;
  const auto column = static_cast<std::size_t>(best - starts.begin());

  Side left;
  Side right;
  std::size_t crossing = 0;
  for (const auto& line : lines) {
    const Shape shape = shape_of(line, column);
    if (shape == Shape::kCrossing) ++crossing;
    if (shape != Shape::kBoth) continue;
    left.add(std::u32string_view(line).substr(0, column));
    right.add(std::u32string_view(line).substr(column));
  }
  const bool most = left.lines >= kMinLines && left.lines * 5 >= filled * 2 && crossing * 4 <= filled;
  if (!most || !left.is_prose() || !right.is_prose()) return std::nullopt;
  return column;
}

}  // namespace

Lines in_reading_order(Lines lines) {
  const auto gutter = find_gutter(lines);
  if (!gutter) return lines;
  Lines out;
  Lines left;
  Lines right;
  const auto flush = [&] {
    out.insert(out.end(), left.begin(), left.end());
    out.emplace_back();
    out.insert(out.end(), right.begin(), right.end());
    out.emplace_back();
    left.clear();
    right.clear();
  };
  for (auto& line : lines) {
    const Shape shape = shape_of(line, *gutter);
    if (shape == Shape::kCrossing) {
      flush();
      out.push_back(std::move(line));
      continue;
    }
    left.push_back(line.substr(0, *gutter));
    right.push_back(line.size() > *gutter ? line.substr(*gutter) : std::u32string());
  }
  flush();
  return out;
}

}  // namespace answermill::extract
