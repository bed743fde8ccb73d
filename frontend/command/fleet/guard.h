// A small process that outlives the supervisor by a moment and cleans up after it, whatever killed it.
//
// Protocol: the guard reads process ids from a pipe only the supervisor holds (positive: watch this process
// group, negative: it is gone). At the pipe's end it kills what is left, waits for it, removes the runtime
// folder and exits. It inherits `held_fd` (the data folder's lock), so that nobody else takes the data folder
// before that is done. Thread: start() before any thread exists. Owns: the pipe's end and the guard process.
#pragma once

#include <sys/types.h>

#include <string>

#include "shared/base/result.h"
#include "shared/base/unix_fd.h"

namespace answermill::command {

class Guard {
 public:
  // Errors: kInternal.
  static Result<Guard> start(const std::string& runtime_folder, int held_fd);
  Guard(Guard&& other) noexcept = default;
  Guard& operator=(Guard&&) = delete;
  ~Guard();  // finish()

  void watch(pid_t group);
  void forget(pid_t group);
  pid_t pid() const { return pid_; }
  // Lets the guard do its work and waits for it.
  void finish();

 private:
  Guard(UniqueFd pipe, pid_t pid) : pipe_(std::move(pipe)), pid_(pid) {}
  void tell(pid_t message);

  UniqueFd pipe_;
  pid_t pid_ = 0;
};

}  // namespace answermill::command
