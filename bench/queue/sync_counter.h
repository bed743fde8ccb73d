// Counts how often a child and what it starts sync a file: the kernel asks us about each such call, and we
// let it pass. Works for servers that call the kernel without libc.
//
// Thread: each counter has one of its own, which waits for the kernel. Errors: where the kernel has no such
// filters nothing is counted, and the child runs all the same.
// Source: seccomp_unotify(2)
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <thread>

#include "shared/base/unix_fd.h"

namespace answermill::bench {

class SyncCounter {
 public:
  SyncCounter();  // before the fork
  ~SyncCounter();
  SyncCounter(const SyncCounter&) = delete;
  SyncCounter& operator=(const SyncCounter&) = delete;

  void begin_in_child();   // between fork and exec
  void begin_in_parent();  // after the fork
  // Syncs so far; none when they cannot be counted.
  std::optional<std::uint64_t> count() const;

 private:
  void answer();

  UniqueFd ours_;    // where the child's filter is received
  UniqueFd theirs_;  // where the child sends it
  UniqueFd filter_;
  UniqueFd stop_;
  std::atomic<std::uint64_t> count_ = 0;
  std::thread thread_;
};

}  // namespace answermill::bench
