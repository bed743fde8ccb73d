// Starting one child of the fleet: its own process group, its output in a pipe, and no life without its
// parent.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "shared/base/result.h"
#include "shared/base/unix_fd.h"

namespace answermill::command {

struct ChildSpec {
  std::string name;                  // "extract.2", for people
  std::vector<std::string> command;  // program (a path) and its arguments
  std::vector<int> inherited;        // descriptors it gets under the same numbers
  int stop_phase = 0;
  bool reloads = false;  // on SIGHUP, which ends the others
};

struct ChildProcess {
  pid_t pid = 0;
  UniqueFd output;  // stdout and stderr together; non-blocking
};

// Safe while other threads run. The child is killed when the calling thread ends (PR_SET_PDEATHSIG). Its
// environment is ours without what names our own place under a service manager. A program that cannot be
// executed ends with 127 and a line on its stderr. Errors: kInternal.
Result<ChildProcess> spawn_child(const ChildSpec& spec);

// Runs a command to its end and returns its exit code and what it said on stderr (stdout is discarded).
struct Finished {
  int exit_code = 0;
  std::string errors;
};
Result<Finished> run_to_end(const std::vector<std::string>& command, const std::vector<int>& inherited);

// "exited with 3", "was killed by signal 9 (Killed)".
std::string describe_exit(int wait_status);

}  // namespace answermill::command
