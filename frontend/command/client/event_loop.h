// The one thread of a streaming sub-command: what other threads post, Ctrl-C, and nothing else.
//
// Thread: one; post through mailbox() from any. Make it before any thread exists: it blocks SIGINT and
// SIGTERM.
#pragma once

#include <functional>

#include "shared/base/mailbox.h"
#include "shared/base/unix_fd.h"

namespace answermill::command {

class EventLoop {
 public:
  EventLoop();

  Mailbox& mailbox() { return mailbox_; }
  // Returns once stop() was called. `on_interrupt` runs at every SIGINT and SIGTERM.
  void run(const std::function<void()>& on_interrupt);
  void stop() { stopped_ = true; }
  bool stopped() const { return stopped_; }

 private:
  Mailbox mailbox_;
  UniqueFd signals_;
  bool stopped_ = false;
};

}  // namespace answermill::command
