#include "frontend/command/fleet/child_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string_view>

extern char** environ;  // NOLINT(readability-redundant-declaration)

namespace answermill::command {
namespace {

constexpr std::chrono::seconds kLongestCheck{10};

// A child must not take our service manager's sockets or our own --listen for its own, nor log in the
// journal's format into our pipe.
constexpr std::array<std::string_view, 7> kOurOwn = {"JOURNAL_STREAM",   "NOTIFY_SOCKET", "WATCHDOG_USEC",
                                                     "WATCHDOG_PID",     "LISTEN_FDS",    "LISTEN_PID",
                                                     "ANSWERMILL_LISTEN"};

std::vector<char*> child_environment() {
  std::vector<char*> kept;
  for (char** one = environ; one != nullptr && *one != nullptr; ++one) {
    const std::string_view name = std::string_view(*one).substr(0, std::string_view(*one).find('='));
    bool ours = false;
    for (const std::string_view variable : kOurOwn) ours = ours || name == variable;
    if (!ours) kept.push_back(*one);
  }
  kept.push_back(nullptr);
  return kept;
}

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> list;
  for (const std::string& word : words) list.push_back(const_cast<char*>(word.c_str()));
  list.push_back(nullptr);
  return list;
}

// Between fork and exec: async-signal-safe calls only, as other threads may have held locks.
[[noreturn]] void become(char* const* arguments, char* const* environment, const std::vector<int>& inherited,
                         int output_fd, int errors_fd, pid_t parent) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  for (int signal = 1; signal < 32; ++signal) ::sigaction(signal, &standard, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  const int nothing = ::open("/dev/null", O_RDONLY);
  ::dup2(nothing, STDIN_FILENO);
  if (nothing > 2) ::close(nothing);
  ::dup2(output_fd, STDOUT_FILENO);
  ::dup2(errors_fd, STDERR_FILENO);
  for (const int fd : inherited) ::fcntl(fd, F_SETFD, 0);
  ::execve(arguments[0], arguments, environment);
  const char* why = ::strerrordesc_np(errno);
  for (const char* part :
       {static_cast<const char*>(arguments[0]), ": ", why != nullptr ? why : "cannot be executed", "\n"}) {
    (void)!::write(STDERR_FILENO, part, std::strlen(part));
  }
  ::_exit(127);
}

Result<pid_t> fork_child(const std::vector<std::string>& command, const std::vector<int>& inherited,
                         int output_fd, int errors_fd) {
  const std::vector<char*> arguments = pointers(command);
  const std::vector<char*> environment = child_environment();
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return Error{ErrorCode::kInternal, fmt::format("fork: {}", std::strerror(errno))};
  if (pid == 0) become(arguments.data(), environment.data(), inherited, output_fd, errors_fd, parent);
  ::setpgid(pid, pid);  // whichever of the two comes first
  return pid;
}

}  // namespace

Result<ChildProcess> spawn_child(const ChildSpec& spec) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    return Error{ErrorCode::kInternal, fmt::format("pipe: {}", std::strerror(errno))};
  ChildProcess child;
  child.output.reset(ends[0]);
  const UniqueFd writing(ends[1]);
  ::fcntl(child.output.get(), F_SETFL, O_NONBLOCK);
  const Result<pid_t> pid = fork_child(spec.command, spec.inherited, writing.get(), writing.get());
  if (!pid) return pid.error();
  child.pid = *pid;
  return child;
}

Result<Finished> run_to_end(const std::vector<std::string>& command, const std::vector<int>& inherited) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    return Error{ErrorCode::kInternal, fmt::format("pipe: {}", std::strerror(errno))};
  const UniqueFd reading(ends[0]);
  UniqueFd writing(ends[1]);
  const UniqueFd nothing(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  const Result<pid_t> pid = fork_child(command, inherited, nothing.get(), writing.get());
  if (!pid) return pid.error();
  writing.reset();
  Finished finished;
  const auto until = std::chrono::steady_clock::now() + kLongestCheck;
  bool in_time = true;
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now())
            .count();
    pollfd waiting{reading.get(), POLLIN, 0};
    in_time = left > 0 && ::poll(&waiting, 1, static_cast<int>(left)) != 0;
    if (!in_time) break;
    char buffer[4096];
    const ssize_t count = ::read(reading.get(), buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    finished.errors.append(buffer, static_cast<std::size_t>(count));
  }
  if (!in_time) ::kill(-*pid, SIGKILL);
  int status = 0;
  while (::waitpid(*pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!in_time)
    finished.errors += fmt::format("{} did not answer within {} s\n", command[0], kLongestCheck.count());
  finished.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return finished;
}

std::string describe_exit(int wait_status) {
  if (WIFSIGNALED(wait_status)) {
    const char* name = ::strsignal(WTERMSIG(wait_status));
    return fmt::format("was killed by signal {} ({})", WTERMSIG(wait_status),
                       name != nullptr ? name : "unknown");
  }
  return fmt::format("exited with {}", WEXITSTATUS(wait_status));
}

}  // namespace answermill::command
