// The text of a settings file: `name = value` lines, `[section]` headings, '#' comments.
//
// A '#' starts a comment at the beginning of a line or after white space, so that values such as URLs may
// hold one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "shared/base/result.h"

namespace answermill::config {

struct Setting {
  int line = 0;         // counts from 1
  std::string section;  // empty before the first heading
  std::string name;
  std::string value;  // without surrounding white space
};

// In the order of the file; names may repeat. Errors: kInvalidArgument, one line of message for each bad
// line.
Result<std::vector<Setting>> parse_settings(std::string_view text);

// Errors: kNotFound, kInvalidArgument; messages begin with the path.
Result<std::vector<Setting>> read_settings(const std::string& path);

// White space off both ends.
std::string_view trimmed(std::string_view text);

// The items of "a, b,c", trimmed, without empty ones.
std::vector<std::string> split_list(std::string_view text);

}  // namespace answermill::config
