#include "frontend/command/journal.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <string>

#include "frontend/command/exit_codes.h"
#include "shared/config/config.h"

namespace answermill::command {

int journal_main(int argc, const char* const* argv) {
  std::string data = "answermill-data";
  config::Table table("answermill journal", "check or export the broker's journal; nothing in it is changed");
  table.text("data", &data, {"ANSWERMILL_DATA_DIR"}, "DIR", "folder of journal.sqlite")
      .usage(
          "check|export [flags]",
          "check: a verdict, and counts by table and state; ends with 0 when the journal is whole, else 1\n"
          "export: every row as a line of JSON\n"
          "Both work beside a running broker and on a copy of journal.sqlite and journal.sqlite-wal.\n");
  const auto loaded = table.load(argc, argv);
  if (!loaded) {
    fmt::print(stderr, "{}\n", loaded.error().message);
    return kExitUsage;
  }
  if (loaded->exit_now) return kExitOk;
  const std::string what = loaded->positional.size() == 1 ? loaded->positional[0] : "";
  if (what != "check" && what != "export") {
    fmt::print(stderr, "answermill journal: say check or export; see answermill journal --help\n");
    return kExitUsage;
  }
  std::error_code problem;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", problem);
  const std::string broker = (self.parent_path() / "answermill-broker").string();
  const std::string flag = "--" + what + "-journal";
  ::execl(broker.c_str(), "answermill-broker", "--data", data.c_str(), flag.c_str(), nullptr);
  fmt::print(stderr, "answermill journal: {} cannot be started\n", broker);
  return kExitFailed;
}

}  // namespace answermill::command
