// How threads talk to a loop: closures posted from anywhere, run by the loop's own thread.
//
// Thread: post() from any thread; run_all() and fd() from the loop's thread only.
// The descriptor becomes readable when something was posted, so any poll can wait on it.
#pragma once

#include <functional>
#include <mutex>
#include <vector>

#include "shared/base/unix_fd.h"

namespace answermill {

class Mailbox {
 public:
  Mailbox();

  int fd() const { return event_.get(); }
  void post(std::function<void()> task);
  // Runs everything posted so far, in order. Returns how many ran.
  std::size_t run_all();

 private:
  UniqueFd event_;
  std::mutex mutex_;
  std::vector<std::function<void()>> tasks_;  // guarded by mutex_
};

}  // namespace answermill
