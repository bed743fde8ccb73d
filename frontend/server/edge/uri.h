// Request targets (RFC 3986, RFC 9112 section 3.2): splitting and percent-decoding.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace answermill::frontend {

// nullopt when an escape is malformed or stands for NUL.
std::optional<std::string> percent_decode(std::string_view text);

struct Target {
  std::string path;                   // percent-decoded
  std::vector<std::string> segments;  // of the path, each decoded by itself, so an escaped '/' does not split
  std::string query;                  // raw, without '?'
  std::string authority;              // of an absolute-form target; empty otherwise
};

// Accepts origin-form and absolute-form. nullopt for anything else, and for malformed escapes.
std::optional<Target> parse_target(std::string_view target);

// First value of `name`, decoded with '+' as a space; nullopt when it is absent or malformed.
std::optional<std::string> query_value(std::string_view query, std::string_view name);

// `folder` itself, or below it: "/api/x" is under "/api", "/apix" is not.
bool is_under(std::string_view path, std::string_view folder);

// The query without any field called `name`.
std::string query_without(std::string_view query, std::string_view name);

}  // namespace answermill::frontend
