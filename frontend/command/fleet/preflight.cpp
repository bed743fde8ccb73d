#include "frontend/command/fleet/preflight.h"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <set>

namespace answermill::command {

Result<std::string> own_folder() {
  std::error_code problem;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", problem);
  if (problem) return Error{ErrorCode::kInternal, "/proc/self/exe cannot be read"};
  return self.parent_path().string();
}

Status check_settings(const std::vector<ChildSpec>& fleet) {
  std::set<std::string> checked;
  std::string problems;
  std::string missing;
  for (const ChildSpec& child : fleet) {
    const std::string& program = child.command.front();
    if (!checked.insert(program).second) continue;
    if (::access(program.c_str(), X_OK) != 0) {
      missing += fmt::format("{} is missing: is the installation complete?\n", program);
      continue;
    }
    std::vector<std::string> command = child.command;
    command.emplace_back("--print-config");
    const Result<Finished> finished = run_to_end(command, child.inherited);
    if (!finished) return finished.error();
    if (finished->exit_code != 0) problems += finished->errors;
  }
  if (!missing.empty()) {
    missing.pop_back();
    return Error{ErrorCode::kInternal, missing};
  }
  if (problems.empty()) return {};
  while (!problems.empty() && problems.back() == '\n') problems.pop_back();
  return Error{ErrorCode::kInvalidArgument, "the settings do not hold:\n" + problems};
}

}  // namespace answermill::command
