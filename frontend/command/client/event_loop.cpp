#include "frontend/command/client/event_loop.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace answermill::command {

EventLoop::EventLoop() {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGINT);
  ::sigaddset(&set, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  signals_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

void EventLoop::run(const std::function<void()>& on_interrupt) {
  while (!stopped_) {
    pollfd waiting[2] = {{signals_.get(), POLLIN, 0}, {mailbox_.fd(), POLLIN, 0}};
    if (::poll(waiting, 2, -1) < 0) continue;
    if (waiting[0].revents != 0) {
      signalfd_siginfo info{};
      while (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) on_interrupt();
    }
    if (waiting[1].revents != 0) mailbox_.run_all();
  }
}

}  // namespace answermill::command
