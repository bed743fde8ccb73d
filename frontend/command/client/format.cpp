#include "frontend/command/client/format.h"

#include <fmt/format.h>
#include <cmath>

#include <algorithm>
#include <array>

#include "shared/text/utf8.h"

namespace answermill::command {
namespace {

bool is_control(char32_t c) { return c < 0x20 || (c >= 0x7F && c < 0xA0); }

}  // namespace

std::string format_bytes(std::uint64_t bytes) {
  static constexpr std::array<const char*, 5> kUnits = {"B", "kB", "MB", "GB", "TB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 999.5 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  if (unit == 0) return fmt::format("{} B", bytes);
  return fmt::format("{:.{}f} {}", value, value < 9.95 ? 1 : 0, kUnits[unit]);
}

std::string format_count(std::uint64_t count) {
  std::string digits = std::to_string(count);
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

std::string format_duration(std::chrono::milliseconds duration) {
  const double seconds = static_cast<double>(std::max<std::int64_t>(0, duration.count())) / 1000;
  if (seconds < 9.95) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<std::int64_t>(std::llround(seconds));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
}

std::string printable(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = text::next_code_point(text, at);
    if (c == '\n' || c == '\t' || !is_control(c)) text::append_code_point(out, c);
  }
  return out;
}

std::string one_line(std::string_view text) {
  std::string out;
  bool space = false;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = text::next_code_point(text, at);
    if (c == ' ' || c == '\n' || c == '\t' || c == '\r') {
      space = !out.empty();
    } else if (!is_control(c)) {
      if (space) out += ' ';
      space = false;
      text::append_code_point(out, c);
    }
  }
  return out;
}

std::string shortened(std::string_view text, std::size_t width) {
  if (text::count_code_points(text) <= width) return std::string(text);
  if (width == 0) return {};
  return std::string(text.substr(0, text::byte_offset_of(text, width - 1))) + "…";
}

std::string fitted(std::string_view text, std::size_t width) {
  std::string out = shortened(text, width);
  out.append(width - text::count_code_points(out), ' ');
  return out;
}

std::string format_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t at = 0; at < row.size(); ++at) {
      widths[at] = std::max(widths[at], text::count_code_points(row[at]));
    }
  }
  std::string out;
  for (const auto& row : rows) {
    for (std::size_t at = 0; at < row.size(); ++at) {
      out += at + 1 == row.size() ? row[at] : fitted(row[at], widths[at]) + "  ";
    }
    out += '\n';
  }
  return out;
}

}  // namespace answermill::command
