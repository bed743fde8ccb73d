#include "frontend/command/fleet/supervisor.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

namespace answermill::command {
namespace {

constexpr int kInterrupted = 130;

sigset_t supervisor_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGCHLD}) ::sigaddset(&set, signal);
  return set;
}

std::size_t widest(const std::vector<ChildSpec>& children) {
  std::size_t width = 2;
  for (const ChildSpec& child : children) width = std::max(width, child.name.size());
  return width;
}

}  // namespace

void block_supervisor_signals() {
  const sigset_t set = supervisor_signals();
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
}

Supervisor::Supervisor(std::vector<ChildSpec> children, FleetTimes times, Guard& guard, int log_fd,
                       bool colour)
    : fsm_(
          [&children] {
            std::vector<int> phases;
            for (const ChildSpec& child : children) phases.push_back(child.stop_phase);
            return phases;
          }(),
          times),
      guard_(guard),
      log_(log_fd) {
  const std::size_t width = widest(children);
  own_prefix_ = line_prefix("up", width, 0, colour);
  for (ChildSpec& spec : children) {
    const std::string prefix = line_prefix(spec.name, width, children_.size() + 1, colour);
    children_.push_back({std::move(spec), 0, {}, LinePrefixer(prefix)});
  }
  const sigset_t set = supervisor_signals();
  signals_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  const UniqueFd terminal(::open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC));
  on_terminal_ = static_cast<bool>(terminal);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);  // what a dying child leaves behind comes to us, not to init
}

void Supervisor::say(std::string_view line) { log_.write(fmt::format("{}{}\n", own_prefix_, line)); }

void Supervisor::spawn(std::size_t index) {
  Child& child = children_[index];
  Result<ChildProcess> process = spawn_child(child.spec);
  if (!process) {
    on_child_gone(index, fmt::format("cannot be started: {}", process.error().message));
    return;
  }
  child.pid = process->pid;
  child.output = std::move(process->output);
  guard_.watch(child.pid);
}

void Supervisor::act(const FleetActions& actions) {
  for (const FleetAction& action : actions) {
    const pid_t pid = action.kind == FleetActionKind::kFinished ? 0 : children_[action.child].pid;
    switch (action.kind) {
      case FleetActionKind::kSpawn:
        spawn(action.child);
        break;
      case FleetActionKind::kTerminate:
        if (pid > 0) ::kill(pid, SIGTERM);
        break;
      case FleetActionKind::kKill:
        if (pid > 0) {
          if (fsm_.stopping()) say(fmt::format("{} had to be killed", children_[action.child].spec.name));
          ::kill(-pid, SIGKILL);
        }
        break;
      case FleetActionKind::kFinished:
        break;
    }
  }
}

void Supervisor::read_output(Child& child) {
  if (!child.output) return;
  char buffer[16'384];
  // Bounded, so that one chatty child cannot keep the others waiting.
  for (int round = 0; round < 16; ++round) {
    const ssize_t count = ::read(child.output.get(), buffer, sizeof buffer);
    if (count > 0) {
      log_.write(child.lines.feed(std::string_view(buffer, static_cast<std::size_t>(count))));
      continue;
    }
    if (count < 0 && errno == EINTR) continue;
    if (count == 0) {
      log_.write(child.lines.finish());
      child.output.reset();
    }
    return;
  }
}

void Supervisor::on_child_gone(std::size_t index, const std::string& how) {
  Child& child = children_[index];
  const Clock::time_point now = Clock::now();
  read_output(child);
  log_.write(child.lines.finish());
  child.output.reset();
  child.pid = 0;
  const bool was_stopping = fsm_.stopping();
  const FleetActions actions = fsm_.on_exit(index, now);
  if (!was_stopping) {
    say(fmt::format("{} {}; it starts again in {} ms", child.spec.name, how,
                    fsm_.restart_delay(index, now).count()));
  }
  act(actions);
}

void Supervisor::reap() {
  int status = 0;
  for (pid_t pid = ::waitpid(-1, &status, WNOHANG); pid > 0; pid = ::waitpid(-1, &status, WNOHANG)) {
    if (pid == guard_.pid()) {
      say("the guard process is gone: after a kill -9 of this process sockets may stay behind");
      continue;
    }
    const auto found = std::find_if(children_.begin(), children_.end(),
                                    [pid](const Child& child) { return child.pid == pid; });
    if (found == children_.end()) continue;  // something a child left behind
    ::kill(-pid, SIGKILL);                   // and what it leaves behind now
    guard_.forget(pid);
    on_child_gone(static_cast<std::size_t>(found - children_.begin()), describe_exit(status));
  }
}

void Supervisor::read_signals() {
  signalfd_siginfo info{};
  bool children_ended = false;
  while (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    if (info.ssi_signo == SIGCHLD) {
      children_ended = true;
    } else if (info.ssi_signo == SIGHUP && !on_terminal_) {
      pass_hangup();
    } else {
      say(fsm_.stopping() ? "stopping at once" : "stopping (once more to stop at once)");
      act(fsm_.stop(Clock::now()));
    }
  }
  if (children_ended) reap();
}

void Supervisor::pass_hangup() {
  for (const Child& child : children_) {
    if (child.pid > 0 && child.spec.reloads) ::kill(child.pid, SIGHUP);
  }
}

int Supervisor::poll_timeout() const {
  const auto next = fsm_.next_time();
  if (!next) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*next - Clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000));
}

void Supervisor::turn() {
  std::vector<pollfd> waiting = {{signals_.get(), POLLIN, 0}, {mailbox_.fd(), POLLIN, 0}};
  if (log_.pending()) waiting.push_back({log_.fd(), POLLOUT, 0});
  const std::size_t outputs = waiting.size();
  for (const Child& child : children_) waiting.push_back({child.output ? child.output.get() : -1, POLLIN, 0});
  if (::poll(waiting.data(), waiting.size(), poll_timeout()) < 0 && errno != EINTR) return;
  if (log_.pending()) log_.flush();
  for (std::size_t at = outputs; at < waiting.size(); ++at) {
    if (waiting[at].revents != 0) read_output(children_[at - outputs]);
  }
  if (waiting[0].revents != 0) read_signals();
  if (waiting[1].revents != 0) mailbox_.run_all();
  act(fsm_.on_time(Clock::now()));
}

int Supervisor::run() {
  act(fsm_.start(Clock::now()));
  while (!fsm_.finished()) turn();
  log_.flush();
  return fsm_.stop_requests() > 1 ? kInterrupted : 0;
}

}  // namespace answermill::command
