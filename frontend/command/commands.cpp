#include "frontend/command/commands.h"

#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <string_view>

#include "frontend/command/client/ask.h"
#include "frontend/command/client/ingest.h"
#include "frontend/command/client/lookups.h"
#include "frontend/command/exit_codes.h"
#include "frontend/command/fleet/join.h"
#include "frontend/command/fleet/up.h"
#include "frontend/command/journal.h"
#include "frontend/command/keys/keys.h"
#include "frontend/command/tokens/tokens.h"

namespace answermill::command {
namespace {

struct Command {
  std::string_view name;
  std::string_view summary;
  int (*main)(int argc, const char* const* argv);
};

constexpr std::array<Command, 11> kCommands = {{
    {"up", "run the whole fleet in the foreground", up_main},
    {"join", "run workers here for a broker on another host", join_main},
    {"keys", "make, list or revoke keys of the bus", keys_main},
    {"tokens", "make, list or revoke access tokens of a server", tokens_main},
    {"ingest", "add documents and wait until they are searchable", ingest_main},
    {"ask", "ask a question; the answer streams, sources follow", ask_main},
    {"search", "find passages", search_main},
    {"documents", "list, show, delete or retry documents", documents_main},
    {"collections", "list, create or delete collections", collections_main},
    {"status", "show what the fleet is doing", status_main},
    {"journal", "check or export the broker's journal", journal_main},
}};

const Command* find(std::string_view name) {
  for (const Command& command : kCommands) {
    if (command.name == name) return &command;
  }
  return nullptr;
}

int unknown(std::string_view name) {
  fmt::print(stderr, "answermill: there is no command '{}'; see answermill --help\n", name);
  return kExitUsage;
}

}  // namespace

std::string overview() {
  std::string text =
      "answermill: turns documents into answers while people watch\n\nUsage: answermill COMMAND …\n\n";
  for (const Command& command : kCommands)
    text += fmt::format("  {:<12} {}\n", command.name, command.summary);
  text += fmt::format("  {:<12} {}\n\n", "help COMMAND", "explain a command (or: answermill COMMAND --help)");
  text +=
      "All but up, join, keys, tokens and journal talk to the server at --server URL, ANSWERMILL_SERVER or "
      "http://localhost:8000.\n";
  return text + kExitCodesHelp;
}

int run_command(int argc, const char* const* argv) {
  const std::string_view first = argc > 1 ? argv[1] : "";
  if (first.empty()) {
    fmt::print(stderr, "{}", overview());
    return kExitUsage;
  }
  if (first == "--version") {
    fmt::print("answermill {}\n", ANSWERMILL_VERSION);
    return kExitOk;
  }
  const bool asks_help = first == "help";
  if (first == "--help" || first == "-h" || (asks_help && argc < 3)) {
    fmt::print("{}", overview());
    return kExitOk;
  }
  const std::string_view name = asks_help ? argv[2] : argv[1];
  const Command* command = find(name);
  if (command == nullptr) return unknown(name);
  if (asks_help) {
    const char* words[] = {argv[2], "--help"};
    return command->main(2, words);
  }
  return command->main(argc - 1, argv + 1);
}

}  // namespace answermill::command
