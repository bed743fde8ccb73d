#include "workers/extract/zygote.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <map>
#include <string_view>
#include <utility>

#include "shared/log/log.h"
#include "workers/extract/parser_walls.h"

namespace answermill::extract {
namespace {

enum class RequestKind : std::uint32_t { kSpawn = 1, kKill = 2 };

struct ControlRequest {
  RequestKind kind = RequestKind::kSpawn;
  std::uint64_t id = 0;
};

// A spawn carries these descriptors, in this order.
constexpr std::size_t kSpawnFds = 4;
enum SpawnFd : std::size_t { kSessionFd = 0, kDocumentFd = 1, kErrorsFd = 2, kStatusFd = 3 };

// Where a parser finds them.
constexpr int kParserSession = 3;
constexpr int kParserDocument = 4;
constexpr int kFirstClosed = 5;

union ControlBuffer {
  cmsghdr align;
  std::array<char, CMSG_SPACE(sizeof(int) * kSpawnFds)> bytes;
};

void limit(int resource, rlim_t value) {
  const rlimit both{value, value};
  setrlimit(static_cast<__rlimit_resource_t>(resource), &both);
}

void write_status(int fd, std::int32_t value) {
  // The other end may be gone already; nobody is left to care then.
  if (write(fd, &value, sizeof(value)) < 0) return;
}

// Runs in the fresh parser process.
[[noreturn]] void become_parser(const std::array<UniqueFd, kSpawnFds>& fds, const ParserLimits& limits,
                                ParserProgram parser, const ParserWalls& walls, pid_t zygote) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != zygote) _exit(0);
  // The received descriptors are above kParserDocument, see run_zygote().
  dup2(fds[kErrorsFd].get(), STDERR_FILENO);
  dup2(fds[kSessionFd].get(), kParserSession);
  dup2(fds[kDocumentFd].get(), kParserDocument);
  const bool files_closed = walls.close_files();
  close_range(kFirstClosed, ~0U, 0);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_IGN);

  struct stat info {};
  const bool known = fstat(kParserDocument, &info) == 0 && info.st_size > 0;
  const auto mapped = known ? static_cast<rlim_t>(info.st_size) : 0;
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  limit(RLIMIT_AS, limits.memory_bytes + mapped);  // sanitizers reserve terabytes of address space
#else
  (void)mapped;
#endif
  const auto seconds = static_cast<rlim_t>(limits.processor_time.count());
  const rlimit processor{seconds, seconds + 1};  // SIGXCPU first, which names the cause
  setrlimit(RLIMIT_CPU, &processor);
  limit(RLIMIT_NOFILE, 64);
  limit(RLIMIT_FSIZE, 0);
  limit(RLIMIT_CORE, 0);
  if (!files_closed || !walls.close_calls()) {
    constexpr std::string_view kWhy = "a parser's walls do not stand\n";
    if (write(STDERR_FILENO, kWhy.data(), kWhy.size()) < 0) _exit(2);
    _exit(1);
  }
  _exit(parser.run(kParserSession, kParserDocument, limits));
}

struct Parser {
  std::uint64_t id = 0;
  UniqueFd status;
};

class ZygoteLoop {
 public:
  ZygoteLoop(int control, int signals, const ParserLimits& limits, ParserProgram parser)
      : control_(control), signals_(signals), limits_(limits), parser_(parser) {
    if (walls_.limits_calls() && walls_.limits_files()) return;
    log::warn(
        "event=parser_walls system_calls={} files={} detail=\"this kernel lacks a wall around parsers\"",
        walls_.limits_calls() ? "limited" : "open", walls_.limits_files() ? "limited" : "open");
  }

  [[noreturn]] void run() {
    for (;;) {
      std::array<pollfd, 2> waits{{{control_, POLLIN, 0}, {signals_, POLLIN, 0}}};
      if (poll(waits.data(), waits.size(), -1) < 0 && errno != EINTR) leave();
      if ((waits[1].revents & POLLIN) != 0) reap();
      if (waits[0].revents != 0 && !serve()) leave();
    }
  }

 private:
  [[noreturn]] void leave() {
    for (const auto& [pid, parser] : parsers_) ::kill(pid, SIGKILL);
    _exit(0);
  }

  void reap() {
    signalfd_siginfo info{};
    while (read(signals_, &info, sizeof(info)) == static_cast<ssize_t>(sizeof(info))) {
    }
    int status = 0;
    for (pid_t pid = waitpid(-1, &status, WNOHANG); pid > 0; pid = waitpid(-1, &status, WNOHANG)) {
      const auto parser = parsers_.find(pid);
      if (parser == parsers_.end()) continue;
      write_status(parser->second.status.get(), status);
      parsers_.erase(parser);
    }
  }

  // False at the end of file.
  bool serve() {
    ControlRequest request;
    iovec data{&request, sizeof(request)};
    ControlBuffer buffer{};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = buffer.bytes.data();
    message.msg_controllen = buffer.bytes.size();
    const ssize_t n = recvmsg(control_, &message, MSG_CMSG_CLOEXEC);
    if (n < 0) return errno == EINTR || errno == EAGAIN;
    if (n != static_cast<ssize_t>(sizeof(request))) return false;
    std::array<UniqueFd, kSpawnFds> fds;
    const cmsghdr* head = CMSG_FIRSTHDR(&message);
    const bool complete = head != nullptr && head->cmsg_type == SCM_RIGHTS &&
                          head->cmsg_len == CMSG_LEN(sizeof(int) * kSpawnFds);
    if (complete) {
      std::array<int, kSpawnFds> raw{};
      std::memcpy(raw.data(), CMSG_DATA(head), sizeof(raw));
      for (std::size_t i = 0; i < kSpawnFds; ++i) fds[i].reset(raw[i]);
    }
    if (request.kind == RequestKind::kKill) {
      for (const auto& [pid, parser] : parsers_) {
        if (parser.id == request.id) ::kill(pid, SIGKILL);
      }
    } else if (complete) {
      spawn(request.id, fds);
    }
    return true;
  }

  void spawn(std::uint64_t id, std::array<UniqueFd, kSpawnFds>& fds) {
    const pid_t zygote = getpid();
    const pid_t pid = fork();
    if (pid == 0) become_parser(fds, limits_, parser_, walls_, zygote);
    if (pid < 0) return;  // the closed status pipe tells
    write_status(fds[kStatusFd].get(), pid);
    parsers_[pid] = Parser{id, std::move(fds[kStatusFd])};
  }

  int control_;
  int signals_;
  ParserLimits limits_;
  ParserProgram parser_;
  ParserWalls walls_;
  std::map<pid_t, Parser> parsers_;
};

[[noreturn]] void run_zygote(UniqueFd control, const ParserLimits& limits, ParserProgram parser,
                             pid_t worker) {
  // An empty network namespace for this process and every parser. Unprivileged users need a user namespace
  // for it; where neither is allowed parsers run without this one wall. Done first: changed credentials clear
  // PDEATHSIG.
  if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) errno = 0;
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != worker) _exit(0);
  prctl(PR_SET_NAME, "extract-zygote");
  // A terminal's Ctrl-C reaches the whole process group; parsers work until the worker lets go of them.
  signal(SIGINT, SIG_IGN);
  signal(SIGTERM, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  signal(SIGPIPE, SIG_IGN);
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  sigprocmask(SIG_SETMASK, &child, nullptr);

  // Descriptors: 0 and 1 nowhere, 2 the log, 3 control, 4 signals; whatever is received comes above.
  const int nowhere = open("/dev/null", O_RDWR);
  if (nowhere >= 0) {
    dup2(nowhere, STDIN_FILENO);
    dup2(nowhere, STDOUT_FILENO);
  }
  const int moved = fcntl(control.get(), F_DUPFD, 64);
  if (moved < 0 || dup2(moved, kParserSession) < 0) _exit(1);
  control.release();  // closed below with everything else
  close_range(kParserDocument, ~0U, 0);
  const int signals = signalfd(-1, &child, SFD_NONBLOCK | SFD_CLOEXEC);
  if (signals != kParserDocument) _exit(1);
  if (parser.prepare != nullptr) parser.prepare();
  ZygoteLoop(kParserSession, signals, limits, parser).run();
}

}  // namespace

Result<Zygote> Zygote::start(const ParserLimits& limits, ParserProgram parser) {
  std::array<int, 2> pair{};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()) != 0) {
    return Error{ErrorCode::kInternal, fmt::format("no socket for the parsers: {}", std::strerror(errno))};
  }
  UniqueFd ours(pair[0]);
  UniqueFd theirs(pair[1]);
  const pid_t worker = getpid();
  const pid_t pid = fork();
  if (pid < 0) return Error{ErrorCode::kInternal, fmt::format("cannot fork: {}", std::strerror(errno))};
  if (pid == 0) {
    ours.reset();
    run_zygote(std::move(theirs), limits, parser, worker);
  }
  return Zygote(std::move(ours), pid);
}

Zygote::~Zygote() {
  if (!control_) return;  // moved from
  control_.reset();
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

bool Zygote::alive() const {
  pollfd wait{control_.get(), 0, 0};  // POLLHUP is always reported
  return poll(&wait, 1, 0) == 0;
}

Result<ParserHandle> Zygote::spawn(int document) {
  const auto out_of = [] {
    return Error{ErrorCode::kUnavailable,
                 fmt::format("no descriptors for a parser: {}", std::strerror(errno))};
  };
  std::array<int, 2> session{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, session.data()) != 0) return out_of();
  UniqueFd ours(session[0]);
  UniqueFd theirs(session[1]);
  std::array<int, 2> status{};
  if (pipe2(status.data(), O_CLOEXEC) != 0) return out_of();
  UniqueFd status_in(status[0]);
  UniqueFd status_out(status[1]);
  std::array<int, 2> errors{};
  // Non-blocking on both ends: a parser that complains much must not wait for a reader.
  if (pipe2(errors.data(), O_CLOEXEC | O_NONBLOCK) != 0) return out_of();
  UniqueFd errors_in(errors[0]);
  UniqueFd errors_out(errors[1]);

  ControlRequest request{RequestKind::kSpawn, next_id_.fetch_add(1)};
  iovec data{&request, sizeof(request)};
  ControlBuffer buffer{};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = buffer.bytes.data();
  message.msg_controllen = buffer.bytes.size();
  cmsghdr* head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof(int) * kSpawnFds);
  const std::array<int, kSpawnFds> raw{theirs.get(), document, errors_out.get(), status_out.get()};
  std::memcpy(CMSG_DATA(head), raw.data(), sizeof(raw));
  if (sendmsg(control_.get(), &message, MSG_NOSIGNAL) < 0) {
    return Error{ErrorCode::kUnavailable, fmt::format("the parser zygote is gone: {}", std::strerror(errno))};
  }
  return ParserHandle{request.id, std::move(ours), std::move(status_in), std::move(errors_in)};
}

void Zygote::kill(std::uint64_t id) {
  const ControlRequest request{RequestKind::kKill, id};
  // Nothing to do when the zygote is gone: its parsers went with it.
  if (send(control_.get(), &request, sizeof(request), MSG_NOSIGNAL) < 0) return;
}

}  // namespace answermill::extract
