#include "shared/config/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <map>
#include <optional>

#include "shared/config/settings_file.h"

namespace answermill::config {
namespace {

Error bad_value(std::string message) { return Error{ErrorCode::kInvalidArgument, std::move(message)}; }

std::optional<bool> parse_switch(std::string_view text) {
  for (const std::string_view yes : {"true", "yes", "on", "1"}) {
    if (text == yes) return true;
  }
  for (const std::string_view no : {"false", "no", "off", "0"}) {
    if (text == no) return false;
  }
  return std::nullopt;
}

// "512", "64M", "64MiB", "2GB": the multiplier of the suffix, which is cut off `text`.
std::int64_t take_byte_suffix(std::string_view& text) {
  std::string_view rest = text;
  for (const std::string_view unit : {"iB", "B"}) {
    if (rest.size() > unit.size() && rest.substr(rest.size() - unit.size()) == unit) {
      rest.remove_suffix(unit.size());
      break;
    }
  }
  std::int64_t factor = 1;
  if (!rest.empty()) {
    switch (rest.back()) {
      case 'k':
      case 'K':
        factor = std::int64_t{1} << 10;
        break;
      case 'm':
      case 'M':
        factor = std::int64_t{1} << 20;
        break;
      case 'g':
      case 'G':
        factor = std::int64_t{1} << 30;
        break;
      default:
        break;
    }
  }
  if (factor != 1) rest.remove_suffix(1);
  text = rest;
  return factor;
}

Result<std::int64_t> parse_integer(std::string_view text, bool bytes) {
  std::string_view digits = text;
  const std::int64_t factor = bytes ? take_byte_suffix(digits) : 1;
  std::int64_t value = 0;
  const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  std::int64_t scaled = 0;
  if (problem != std::errc{} || end != digits.data() + digits.size() ||
      __builtin_mul_overflow(value, factor, &scaled)) {
    return bad_value(fmt::format("'{}' is not a whole number", text));
  }
  return scaled;
}

Result<double> parse_number(std::string_view text) {
  double value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) {
    return bad_value(fmt::format("'{}' is not a number", text));
  }
  return value;
}

std::string joined(const std::vector<std::string>& items) { return fmt::format("{}", fmt::join(items, ",")); }

// The programs that may have a section in the fleet's one settings file.
constexpr std::string_view kSections[] = {"up",    "broker", "frontend", "extract",
                                          "embed", "index",  "generate"};

bool is_section(std::string_view name) {
  return std::find(std::begin(kSections), std::end(kSections), name) != std::end(kSections);
}

// "answermill-generate" reads [generate], "answermill up" reads [up].
std::string_view section_of(std::string_view program) {
  return program.substr(program.find_last_of(" -") + 1);
}

// Values of one layer, joined for fields that may repeat, so that a field is parsed once a layer.
void collect(std::map<std::string, std::string>& layer, const Field& field, std::string_view value) {
  const auto [place, fresh] = layer.try_emplace(field.name, value);
  if (fresh) return;
  if (field.repeatable) {
    place->second += ',';
    place->second += value;
  } else {
    place->second = value;
  }
}

}  // namespace

// What the command line says, before any of it takes effect.
struct Table::Arguments {
  std::map<std::string, std::string> values;
  std::vector<std::string> positional;
  std::string config_path;
  bool help = false;
  bool version = false;
  bool print = false;
};

Table::Table(std::string program, std::string summary)
    : program_(std::move(program)), summary_(std::move(summary)) {}

Table& Table::add(Field field) {
  fields_.push_back(std::move(field));
  return *this;
}

Table& Table::text(std::string name, std::string* value, std::vector<std::string> environment,
                   std::string value_name, std::string help) {
  Field field{std::move(name), std::move(environment), std::move(help), std::move(value_name), false, {}, {}};
  field.parse = [value](std::string_view given) -> Status {
    *value = given;
    return {};
  };
  field.show = [value] { return *value; };
  return add(std::move(field));
}

Table& Table::secret(std::string name, std::string* value, std::vector<std::string> environment,
                     std::string help) {
  text(std::move(name), value, std::move(environment), "SECRET", std::move(help));
  fields_.back().secret = true;
  return *this;
}

Table& Table::integer(std::string name, std::int64_t* value, std::int64_t low, std::int64_t high,
                      std::vector<std::string> environment, std::string value_name, std::string help) {
  const bool bytes = value_name == "BYTES";
  Field field{std::move(name), std::move(environment), std::move(help), std::move(value_name), false, {}, {}};
  field.parse = [value, low, high, bytes](std::string_view given) -> Status {
    const Result<std::int64_t> parsed = parse_integer(given, bytes);
    if (!parsed) return parsed.error();
    if (*parsed < low || *parsed > high)
      return bad_value(fmt::format("{} is not within {}…{}", *parsed, low, high));
    *value = *parsed;
    return {};
  };
  field.show = [value] { return std::to_string(*value); };
  return add(std::move(field));
}

Table& Table::number(std::string name, double* value, double low, double high,
                     std::vector<std::string> environment, std::string value_name, std::string help) {
  Field field{std::move(name), std::move(environment), std::move(help), std::move(value_name), false, {}, {}};
  field.parse = [value, low, high](std::string_view given) -> Status {
    const Result<double> parsed = parse_number(given);
    if (!parsed) return parsed.error();
    if (*parsed < low || *parsed > high)
      return bad_value(fmt::format("{} is not within {}…{}", *parsed, low, high));
    *value = *parsed;
    return {};
  };
  field.show = [value] { return fmt::format("{}", *value); };
  return add(std::move(field));
}

Table& Table::flag(std::string name, bool* value, std::vector<std::string> environment, std::string help) {
  Field field{std::move(name), std::move(environment), std::move(help), "", false, {}, {}};
  field.parse = [value](std::string_view given) -> Status {
    const std::optional<bool> parsed = parse_switch(given);
    if (!parsed) return bad_value(fmt::format("'{}' is neither yes nor no", given));
    *value = *parsed;
    return {};
  };
  field.show = [value] { return std::string(*value ? "yes" : "no"); };
  return add(std::move(field));
}

Table& Table::list(std::string name, std::vector<std::string>* values, std::vector<std::string> environment,
                   std::string value_name, std::string help) {
  Field field{std::move(name), std::move(environment), std::move(help), std::move(value_name), false, {}, {}};
  field.repeatable = true;
  field.parse = [values](std::string_view given) -> Status {
    *values = split_list(given);
    return {};
  };
  field.show = [values] { return joined(*values); };
  return add(std::move(field));
}

Table& Table::usage(std::string words, std::string notes) {
  usage_ = std::move(words);
  notes_ = std::move(notes);
  return *this;
}

const Field* Table::find(std::string_view name) const {
  for (const Field& field : fields_) {
    if (field.name == name) return &field;
  }
  return nullptr;
}

Table::Arguments Table::scan(int argc, const char* const* argv, std::string& problems) const {
  Arguments found;
  bool flags_ended = false;
  for (int at = 1; at < argc; ++at) {
    const std::string_view word = argv[at];
    if (flags_ended || word.size() < 2 || word.front() != '-') {
      found.positional.emplace_back(word);
      continue;
    }
    if (word == "--") {
      flags_ended = true;
      continue;
    }
    const std::size_t equals = word.find('=');
    const std::string_view flag = word.substr(0, equals);
    const std::string_view name = flag.substr(0, 2) == "--" ? flag.substr(2) : std::string_view{};
    if (flag == "--help" || flag == "-h") {
      found.help = true;
    } else if (flag == "--version") {
      found.version = true;
    } else if (flag == "--print-config") {
      found.print = true;
    } else {
      const Field* field = find(name);
      if (field == nullptr && name != "config") {
        problems += fmt::format("{}: no such flag (see --help)\n", flag);
        continue;
      }
      std::string_view value =
          equals == std::string_view::npos ? std::string_view{"yes"} : word.substr(equals + 1);
      const bool is_switch = field != nullptr && field->value_name.empty();
      if (equals == std::string_view::npos && !is_switch) {
        if (at + 1 >= argc || std::string_view(argv[at + 1]).substr(0, 2) == "--") {
          problems += fmt::format("{}: needs a value\n", flag);
          continue;
        }
        value = argv[++at];
      }
      if (field == nullptr) {
        found.config_path = value;
      } else if (field->secret) {
        problems +=
            fmt::format("{}: is a secret and would show in the process list; set {} instead\n", flag,
                        field->environment.empty() ? "it in the --config file" : field->environment.front());
      } else {
        collect(found.values, *field, value);
      }
    }
  }
  return found;
}

void Table::apply_file(const std::string& path, std::string& problems) {
  const Result<std::vector<Setting>> settings = read_settings(path);
  if (!settings) {
    problems += settings.error().message + "\n";
    return;
  }
  std::map<std::string, std::string> layer;
  std::map<std::string, int> lines;
  for (const Setting& setting : *settings) {
    const std::string where = fmt::format("{}: line {}", path, setting.line);
    const Field* field = find(setting.name);
    if (!setting.section.empty() && setting.section != section_of(program_)) {
      if (!is_section(setting.section))
        problems += fmt::format("{}: [{}]: no such section\n", where, setting.section);
    } else if (field == nullptr) {
      problems += fmt::format("{}: {}: no such key\n", where, setting.name);
    } else if (layer.contains(field->name) && !field->repeatable) {
      problems +=
          fmt::format("{}: {}: is set twice (first in line {})\n", where, field->name, lines[field->name]);
    } else {
      collect(layer, *field, setting.value);
      lines.try_emplace(field->name, setting.line);
    }
  }
  for (const auto& [name, value] : layer) {
    const Field& field = *find(name);
    const Status set = field.parse(value);
    if (!set) {
      problems += fmt::format("{}: line {}: {}: {}\n", path, lines[name], name,
                              field.secret ? "is not valid" : set.error().message);
    }
  }
}

void Table::apply_environment(std::string& problems) {
  for (const Field& field : fields_) {
    for (const std::string& variable : field.environment) {
      const char* value = std::getenv(variable.c_str());
      if (value == nullptr || *value == '\0') continue;
      const Status set = field.parse(value);
      if (!set)
        problems += fmt::format("{}: {}\n", variable, field.secret ? "is not valid" : set.error().message);
      break;
    }
  }
}

Result<Table::Loaded> Table::load(int argc, const char* const* argv) {
  std::string problems;
  Arguments arguments = scan(argc, argv, problems);
  Loaded loaded;
  if (arguments.help || arguments.version) {
    const std::string answer = arguments.help ? help() : fmt::format("{} {}\n", program_, ANSWERMILL_VERSION);
    std::fwrite(answer.data(), 1, answer.size(), stdout);
    std::fflush(stdout);
    loaded.exit_now = true;
    return loaded;
  }
  if (!arguments.config_path.empty()) apply_file(arguments.config_path, problems);
  apply_environment(problems);
  for (const auto& [name, value] : arguments.values) {
    const Status set = find(name)->parse(value);
    if (!set) problems += fmt::format("--{}: {}\n", name, set.error().message);
  }
  if (!problems.empty()) {
    problems.pop_back();
    return Error{ErrorCode::kInvalidArgument, problems};
  }
  loaded.positional = std::move(arguments.positional);
  loaded.config_path = std::move(arguments.config_path);
  if (arguments.print) {
    const std::string text = print();
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
    loaded.exit_now = true;
  }
  return loaded;
}

std::string Table::help() const {
  std::string text = fmt::format("{}: {}\n\nUsage: {} {}\n\nFlags:\n", program_, summary_, program_, usage_);
  const auto row = [&text](std::string_view flag, std::string_view help) {
    if (flag.size() <= 26) {
      text += fmt::format("  {:<26}  {}\n", flag, help);
    } else {
      text += fmt::format("  {}\n  {:<26}  {}\n", flag, "", help);
    }
  };
  for (const Field& field : fields_) {
    std::string flag = "--" + field.name;
    if (field.secret) {
      flag = field.name + " (no flag)";
    } else if (!field.value_name.empty()) {
      flag += " " + field.value_name;
    }
    std::string description = field.help;
    const std::string shown = field.show();
    if (!field.secret && !field.value_name.empty() && !shown.empty())
      description += fmt::format(" [{}]", shown);
    if (!field.environment.empty())
      description += fmt::format(" (env {})", fmt::join(field.environment, ", "));
    row(flag, description);
  }
  if (find("config") == nullptr)
    row("--config FILE", "read `name = value` lines; the environment and flags win over them");
  row("--print-config", "print the settings in force and exit");
  row("--help, --version", "print this, or the version, and exit");
  if (!notes_.empty()) text += "\n" + notes_;
  return text;
}

std::string Table::print() const {
  std::string text;
  for (const Field& field : fields_) {
    const std::string shown = field.show();
    text += fmt::format("{} = {}\n", field.name, field.secret && !shown.empty() ? "[secret]" : shown);
  }
  return text;
}

}  // namespace answermill::config
