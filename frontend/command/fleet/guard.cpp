#include "frontend/command/fleet/guard.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <map>
#include <vector>

namespace answermill::command {
namespace {

constexpr std::chrono::milliseconds kWaitForDeath{2'000};

// A descriptor that becomes readable when the process ends, even if nobody reaps it.
UniqueFd open_pidfd(pid_t pid) { return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))); }

void keep_only(int first, int second) {
  const int most = static_cast<int>(::sysconf(_SC_OPEN_MAX) < 4096 ? ::sysconf(_SC_OPEN_MAX) : 4096);
  for (int fd = 3; fd < most; ++fd) {
    if (fd != first && fd != second) ::close(fd);
  }
  const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; fd <= 2; ++fd) ::dup2(nothing, fd);
  if (nothing > 2) ::close(nothing);
}

void await_death(const std::map<pid_t, UniqueFd>& groups) {
  const auto until = std::chrono::steady_clock::now() + kWaitForDeath;
  for (const auto& [group, pidfd] : groups) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now())
            .count();
    pollfd waiting{pidfd.get(), POLLIN, 0};
    if (pidfd && left > 0) ::poll(&waiting, 1, static_cast<int>(left));
  }
}

[[noreturn]] void run_guard(int pipe, const std::string& runtime_folder) {
  ::prctl(PR_SET_NAME, "answermill-grd");
  std::map<pid_t, UniqueFd> groups;
  for (;;) {
    pid_t message = 0;
    const ssize_t count = ::read(pipe, &message, sizeof message);
    if (count < 0 && errno == EINTR) continue;
    if (count != static_cast<ssize_t>(sizeof message)) break;
    if (message > 0) {
      groups.insert_or_assign(message, open_pidfd(message));
    } else {
      groups.erase(-message);
    }
  }
  for (const auto& [group, pidfd] : groups) ::kill(-group, SIGKILL);
  await_death(groups);
  std::error_code ignored;
  std::filesystem::remove_all(runtime_folder, ignored);
  ::_exit(0);
}

}  // namespace

Result<Guard> Guard::start(const std::string& runtime_folder, int held_fd) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return Error{ErrorCode::kInternal, "no pipe for the guard process"};
  UniqueFd reading(ends[0]);
  UniqueFd writing(ends[1]);
  const pid_t pid = ::fork();
  if (pid < 0) return Error{ErrorCode::kInternal, "the guard process cannot be started"};
  if (pid == 0) {
    writing.reset();
    ::setsid();  // out of reach of the terminal's Ctrl-C
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGQUIT}) ::signal(signal, SIG_IGN);
    keep_only(reading.get(), held_fd);
    run_guard(reading.get(), runtime_folder);
  }
  return Guard(std::move(writing), pid);
}

Guard::~Guard() { finish(); }

void Guard::tell(pid_t message) {
  while (pipe_ && ::write(pipe_.get(), &message, sizeof message) < 0 && errno == EINTR) {
  }
}

void Guard::watch(pid_t group) { tell(group); }
void Guard::forget(pid_t group) { tell(-group); }

void Guard::finish() {
  if (!pipe_) return;
  pipe_.reset();
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace answermill::command
