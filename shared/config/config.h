// One table of fields per process: it drives the file, the environment, the flags, --help and --print-config.
//
// Precedence: default < file < environment < flag. An unknown key or a bad value is an error; all errors are
// reported together. The file holds `name = value` lines; '#' starts a comment. An environment variable that
// is set to nothing counts as not set.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/result.h"

namespace answermill::config {

struct Field {
  std::string name;                      // "upload-limit": flag --upload-limit, key upload-limit in the file
  std::vector<std::string> environment;  // variables, first set one wins, e.g. {"ANSWERMILL_UPLOAD_LIMIT"}
  std::string help;                      // one line, with unit and range
  std::string value_name;                // "BYTES", "DIR"; empty for a switch
  bool secret = false;                   // shown as [secret]
  std::function<Status(std::string_view)> parse;  // sets the bound variable
  std::function<std::string()> show;              // the bound variable's value as text
  bool repeatable = false;  // given several times, the values are joined with commas before parse()
};

class Table {
 public:
  explicit Table(std::string program, std::string summary);

  // Each binds a variable whose present value is the default. The variable must outlive load().
  Table& text(std::string name, std::string* value, std::vector<std::string> environment,
              std::string value_name, std::string help);
  Table& secret(std::string name, std::string* value, std::vector<std::string> environment, std::string help);
  // With the value name "BYTES" the suffixes K, M and G (1024-based) are accepted.
  Table& integer(std::string name, std::int64_t* value, std::int64_t low, std::int64_t high,
                 std::vector<std::string> environment, std::string value_name, std::string help);
  Table& number(std::string name, double* value, double low, double high,
                std::vector<std::string> environment, std::string value_name, std::string help);
  // --name and --name=no on the command line; yes/no, true/false, on/off, 1/0 elsewhere.
  Table& flag(std::string name, bool* value, std::vector<std::string> environment, std::string help);
  Table& list(std::string name, std::vector<std::string>* values, std::vector<std::string> environment,
              std::string value_name,
              std::string help);  // repeated or comma-separated; replaces lower layers
  Table& add(Field field);
  // What --help says beside the flags: the words after the program's name ("[flags] FILE…") and closing
  // lines.
  Table& usage(std::string words, std::string notes = {});

  struct Loaded {
    std::vector<std::string> positional;
    bool exit_now = false;    // --help, --version or --print-config was answered on stdout
    std::string config_path;  // of --config; empty when there was none
  };
  // Reads --config FILE (when given), the environment, then argv[1…]. Secrets are refused as flags.
  // "--" ends the flags. Errors: kInvalidArgument, one message with a line for each problem.
  Result<Loaded> load(int argc, const char* const* argv);

  std::string help() const;
  std::string print() const;  // `name = value` lines, secrets masked

 private:
  struct Arguments;

  const Field* find(std::string_view name) const;
  Arguments scan(int argc, const char* const* argv, std::string& problems) const;
  void apply_file(const std::string& path, std::string& problems);
  void apply_environment(std::string& problems);

  std::string program_;
  std::string summary_;
  std::string usage_ = "[flags]";
  std::string notes_;
  std::vector<Field> fields_;
};

}  // namespace answermill::config
