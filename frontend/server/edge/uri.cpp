#include "frontend/server/edge/uri.h"

#include <algorithm>

namespace answermill::frontend {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Calls `visit(field)` for each "name=value" piece until it returns false.
template <class Visit>
void for_each_field(std::string_view query, Visit visit) {
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    if (end > 0 && !visit(query.substr(0, end))) return;
    query.remove_prefix(std::min(end + 1, query.size()));
  }
}

std::optional<std::string> decode_form(std::string_view text) {
  std::string spaced(text);
  std::replace(spaced.begin(), spaced.end(), '+', ' ');
  return percent_decode(spaced);
}

bool is_named(std::string_view field, std::string_view name) {
  const auto decoded = decode_form(field.substr(0, field.find('=')));
  return decoded && *decoded == name;
}

}  // namespace

std::optional<std::string> percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = hex_digit(text[i + 1]);
    const int low = hex_digit(text[i + 2]);
    if (high < 0 || low < 0 || (high == 0 && low == 0)) return std::nullopt;
    out.push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  return out;
}

std::optional<Target> parse_target(std::string_view target) {
  Target out;
  if (!target.empty() && target.front() != '/') {
    const std::size_t scheme = target.find("://");
    if (scheme == std::string_view::npos) return std::nullopt;
    target.remove_prefix(scheme + 3);
    const std::size_t end = std::min(target.find_first_of("/?"), target.size());
    out.authority = target.substr(0, end);
    target.remove_prefix(end);
    if (out.authority.empty()) return std::nullopt;
  } else if (target.empty()) {
    return std::nullopt;
  }
  const std::size_t hash = target.find('#');
  if (hash != std::string_view::npos) target = target.substr(0, hash);
  const std::size_t question = target.find('?');
  std::string_view path = target.substr(0, question);
  if (question != std::string_view::npos) out.query = target.substr(question + 1);
  if (path.empty()) path = "/";

  auto decoded = percent_decode(path);
  if (!decoded) return std::nullopt;
  out.path = std::move(*decoded);
  std::string_view rest = path.substr(1);
  while (true) {
    const std::size_t slash = rest.find('/');
    auto segment = percent_decode(rest.substr(0, slash));
    if (!segment) return std::nullopt;
    out.segments.push_back(std::move(*segment));
    if (slash == std::string_view::npos) return out;
    rest.remove_prefix(slash + 1);
  }
}

std::optional<std::string> query_value(std::string_view query, std::string_view name) {
  std::optional<std::string> value;
  for_each_field(query, [&](std::string_view field) {
    if (!is_named(field, name)) return true;
    const std::size_t equals = field.find('=');
    value = equals == std::string_view::npos ? std::string() : decode_form(field.substr(equals + 1));
    return false;
  });
  return value;
}

bool is_under(std::string_view path, std::string_view folder) {
  return path.substr(0, folder.size()) == folder &&
         (path.size() == folder.size() || path[folder.size()] == '/');
}

std::string query_without(std::string_view query, std::string_view name) {
  std::string out;
  for_each_field(query, [&](std::string_view field) {
    if (is_named(field, name)) return true;
    if (!out.empty()) out.push_back('&');
    out.append(field);
    return true;
  });
  return out;
}

}  // namespace answermill::frontend
