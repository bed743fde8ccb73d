// Runs the children of a fleet in the foreground until it is told to stop. Without a terminal SIGHUP goes to
// those that read something again on it.
//
// Thread: one, which must stay alive while children live. Signals: SIGINT, SIGTERM, SIGHUP and SIGCHLD must
// be blocked in the whole process before run(). Owns: the children and their pipes.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "frontend/command/fleet/child_process.h"
#include "frontend/command/fleet/fleet_fsm.h"
#include "frontend/command/fleet/guard.h"
#include "frontend/command/fleet/log_sink.h"
#include "shared/base/mailbox.h"
#include "shared/base/unix_fd.h"

namespace answermill::command {

class Supervisor {
 public:
  Supervisor(std::vector<ChildSpec> children, FleetTimes times, Guard& guard, int log_fd, bool colour);

  // Blocks. Returns 0 after a clean stop, 130 when a second signal had to kill.
  int run();

  // Closures posted here run on the supervisor's thread.
  Mailbox& mailbox() { return mailbox_; }
  // A line of the supervisor itself among the children's.
  void say(std::string_view line);
  bool stopping() const { return fsm_.stopping(); }

 private:
  struct Child {
    ChildSpec spec;
    pid_t pid = 0;
    UniqueFd output;
    LinePrefixer lines;
  };

  void act(const FleetActions& actions);
  void spawn(std::size_t index);
  void reap();
  void on_child_gone(std::size_t index, const std::string& how);
  void read_output(Child& child);
  void read_signals();
  void pass_hangup();
  int poll_timeout() const;
  void turn();

  FleetFsm fsm_;
  Guard& guard_;
  LogSink log_;
  Mailbox mailbox_;
  UniqueFd signals_;
  bool on_terminal_ = false;  // SIGHUP then means that the terminal has gone
  std::vector<Child> children_;
  std::string own_prefix_;
};

// Blocks the signals a supervisor reads; call before any thread or child exists.
void block_supervisor_signals();

}  // namespace answermill::command
