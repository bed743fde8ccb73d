#include "shared/config/settings_file.h"

#include <fmt/format.h>

#include <fstream>
#include <iterator>

namespace answermill::config {
namespace {

constexpr std::string_view kSpace = " \t\r\n\f\v";

std::string_view without_comment(std::string_view line) {
  for (std::size_t at = 0; at < line.size(); ++at) {
    if (line[at] == '#' && (at == 0 || kSpace.find(line[at - 1]) != std::string_view::npos))
      return line.substr(0, at);
  }
  return line;
}

}  // namespace

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> items;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    const std::string_view item = trimmed(text.substr(0, comma));
    if (!item.empty()) items.emplace_back(item);
    text = comma == std::string_view::npos ? std::string_view{} : text.substr(comma + 1);
  }
  return items;
}

Result<std::vector<Setting>> parse_settings(std::string_view text) {
  std::vector<Setting> settings;
  std::string problems;
  std::string section;
  if (text.substr(0, 3) == "\xEF\xBB\xBF") text.remove_prefix(3);
  for (int number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    const std::string_view line = trimmed(without_comment(text.substr(0, end)));
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    if (line.empty()) continue;
    if (line.front() == '[') {
      if (line.back() == ']' && line.size() > 2) {
        section = trimmed(line.substr(1, line.size() - 2));
      } else {
        problems += fmt::format("line {}: a section looks like [name]\n", number);
      }
      continue;
    }
    const std::size_t equals = line.find('=');
    const std::string_view name = trimmed(line.substr(0, equals));
    if (equals == std::string_view::npos || name.empty()) {
      problems += fmt::format("line {}: expected name = value\n", number);
      continue;
    }
    settings.push_back({number, section, std::string(name), std::string(trimmed(line.substr(equals + 1)))});
  }
  if (!problems.empty()) {
    problems.pop_back();
    return Error{ErrorCode::kInvalidArgument, problems};
  }
  return settings;
}

Result<std::vector<Setting>> read_settings(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Error{ErrorCode::kNotFound, fmt::format("{}: cannot be read", path)};
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (file.bad()) return Error{ErrorCode::kNotFound, fmt::format("{}: cannot be read", path)};
  Result<std::vector<Setting>> settings = parse_settings(text);
  if (!settings) return Error{settings.error().code, fmt::format("{}: {}", path, settings.error().message)};
  return settings;
}

}  // namespace answermill::config
