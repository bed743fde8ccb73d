// Figures and texts for people on a terminal. Pure.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace answermill::command {

// "0 B", "1.3 MB" (1,000-based, as file managers show it).
std::string format_bytes(std::uint64_t bytes);
// "1,600"
std::string format_count(std::uint64_t count);
// "0.4 s", "14 s", "2 min 5 s"
std::string format_duration(std::chrono::milliseconds duration);

// Without control characters (terminal escape sequences among them); line feeds and tabs stay.
std::string printable(std::string_view text);
// The same on one line: white space runs become single spaces.
std::string one_line(std::string_view text);
// At most `width` code points, an ellipsis instead of what is cut.
std::string shortened(std::string_view text, std::size_t width);
// As shortened(), filled with spaces on the right.
std::string fitted(std::string_view text, std::size_t width);

// Columns as wide as their widest cell, two spaces between, the last one not filled. The first row is the
// heading.
std::string format_table(const std::vector<std::vector<std::string>>& rows);

}  // namespace answermill::command
