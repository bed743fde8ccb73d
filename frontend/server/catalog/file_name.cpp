#include "frontend/server/catalog/file_name.h"

#include <algorithm>
#include <array>
#include <utility>

#include "shared/text/utf8.h"

namespace answermill::frontend {
namespace {

constexpr std::size_t kMaxBytes = 200;
constexpr std::size_t kMaxExtensionBytes = 16;

// Control characters, and the marks that reverse the reading order and so disguise an extension.
bool is_hidden(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x061C || (c >= 0x200E && c <= 0x200F) ||
         (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF;
}

std::string_view extension_of(std::string_view name) {
  const auto dot = name.rfind('.');
  if (dot == std::string_view::npos || dot == 0 || name.size() - dot > kMaxExtensionBytes) return {};
  return name.substr(dot);
}

}  // namespace

std::string display_name(std::string_view name) {
  const auto slash = name.find_last_of("/\\");
  if (slash != std::string_view::npos) name = name.substr(slash + 1);
  const std::string repaired = text::repair_utf8(name);
  std::string clean;
  for (std::size_t at = 0; at < repaired.size();) {
    const char32_t c = text::next_code_point(repaired, at);
    if (!is_hidden(c)) text::append_code_point(clean, c);
  }
  const auto begin = clean.find_first_not_of(' ');
  if (begin == std::string::npos) return "document";
  clean = clean.substr(begin, clean.find_last_not_of(' ') - begin + 1);
  if (clean == "." || clean == "..") return "document";
  if (clean.size() <= kMaxBytes) return clean;
  const std::string extension(extension_of(clean));
  clean.resize(text::floor_boundary(clean, kMaxBytes - extension.size()));
  return clean + extension;
}

std::string type_for_name(std::string_view name) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kTypes = {{
      {".pdf", "application/pdf"},
      {".txt", "text/plain"},
      {".md", "text/markdown"},
      {".markdown", "text/markdown"},
      {".log", "text/plain"},
  }};
  std::string extension(extension_of(name));
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  for (const auto& [known, type] : kTypes) {
    if (known == extension) return std::string(type);
  }
  return "application/octet-stream";
}

}  // namespace answermill::frontend
