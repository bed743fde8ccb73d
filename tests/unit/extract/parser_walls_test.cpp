// What a parser that a hostile document took over can reach, tried from inside real parsers.
#include "workers/extract/parser_walls.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <fstream>
#include <functional>
#include <string>

#include "tests/unit/extract/parser_world.h"
#include "workers/extract/parser_wire.h"
#include "workers/extract/pdf_session.h"
#include "workers/extract/zygote.h"

namespace answermill::extract {
namespace {

// Each attempt returns negative, and errno, when the kernel refuses.
struct Attempt {
  const char* name;
  int refusal;
  std::function<long()> act;
};

long map(int protection) {
  void* memory = mmap(nullptr, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? -1 : 0;
}

long limit_descriptors() {
  const rlimit less{32, 32};
  return setrlimit(RLIMIT_NOFILE, &less);
}

std::array<Attempt, 14> attempts() {
  return {{
      {"start a process", EPERM, [] { return static_cast<long>(fork()); }},
      {"run a program", EPERM, [] { return static_cast<long>(execl("/bin/true", "true", nullptr)); }},
      {"open a socket", EPERM, [] { return static_cast<long>(socket(AF_UNIX, SOCK_STREAM, 0)); }},
      {"signal its zygote", EPERM, [] { return static_cast<long>(kill(getppid(), 0)); }},
      {"trace its zygote", EPERM, [] { return ptrace(PTRACE_SEIZE, getppid(), nullptr, nullptr); }},
      {"run what it wrote", EPERM, [] { return map(PROT_READ | PROT_WRITE | PROT_EXEC); }},
      {"change its limits", EPERM, [] { return limit_descriptors(); }},
      {"write a file", EPERM, [] { return static_cast<long>(open("/dev/null", O_WRONLY)); }},
      {"make a file", EPERM,
       [] { return static_cast<long>(open("/usr/share/answermill-was-here", O_RDONLY | O_CREAT, 0600)); }},
      {"delete a file", EPERM, [] { return static_cast<long>(unlink("/tmp/answermill-was-here")); }},
      {"read the users", EACCES, [] { return static_cast<long>(open("/etc/passwd", O_RDONLY)); }},
      {"read a process", EACCES, [] { return static_cast<long>(open("/proc/self/environ", O_RDONLY)); }},
      {"list a folder", EACCES, [] { return static_cast<long>(open("/", O_RDONLY | O_DIRECTORY)); }},
      {"get signals from others", EPERM, [] { return static_cast<long>(fcntl(3, F_SETOWN, getppid())); }},
  }};
}

void answer(int session, ReplyKind kind, std::uint32_t number, std::string_view body) {
  const ReplyHeader header{kind, number, static_cast<std::uint32_t>(body.size())};
  if (write(session, &header, sizeof(header)) < 0 || write(session, body.data(), body.size()) < 0) _exit(9);
}

std::string outcome(const Attempt& attempt) {
  errno = 0;
  const long result = attempt.act();
  if (result == 0 && std::string_view(attempt.name) == "start a process") _exit(0);
  return result < 0 ? std::to_string(errno) : "done";
}

// Page n makes attempt n - 1; the page after the last one opens what poppler needs; the one after that
// aborts.
int captured_parser(int session, int /*document*/, const ParserLimits& /*limits*/) {
  const auto tried = attempts();
  answer(session, ReplyKind::kOpened, 99, {});
  PageRequest request;
  while (recv(session, &request, sizeof(request), MSG_WAITALL) == static_cast<ssize_t>(sizeof(request))) {
    if (request.page <= tried.size()) {
      answer(session, ReplyKind::kText, request.page, outcome(tried.at(request.page - 1)));
    } else if (request.page == tried.size() + 1) {
      const int fd = open("/usr/share/poppler", O_RDONLY | O_DIRECTORY);
      answer(session, ReplyKind::kText, request.page, fd >= 0 || errno == ENOENT ? "open" : "closed");
    } else {
      std::abort();
    }
  }
  return 0;
}

class Walls : public testing::Test {
 protected:
  void SetUp() override {
    const ParserWalls here;
    if (!here.limits_calls()) GTEST_SKIP() << "this kernel has no seccomp filters";
    files_ = here.limits_files();
    auto zygote = Zygote::start({}, {captured_parser});
    ASSERT_TRUE(zygote);
    zygote_.emplace(std::move(*zygote));
    document_ = UniqueFd(memfd_create("document", MFD_CLOEXEC));
    ASSERT_EQ(write(document_.get(), "hello", 5), 5);
    auto session = PdfSession::open(*zygote_, document_.get(), SessionLimits{}, {});
    ASSERT_TRUE(session) << session.error().message;
    session_ = std::move(*session);
  }

  bool files_ = false;
  std::optional<Zygote> zygote_;
  UniqueFd document_;
  std::unique_ptr<PdfSession> session_;
};

TEST_F(Walls, NothingButReadingIsLeft) {
  std::uint32_t page = 0;
  for (const auto& attempt : attempts()) {
    ++page;
    if (attempt.refusal == EACCES && !files_) continue;  // a kernel without landlock
    const auto text = session_->page(page, {});
    ASSERT_TRUE(text) << attempt.name << ": " << text.error().message;
    EXPECT_EQ(*text, std::to_string(attempt.refusal)) << attempt.name;
  }
}

TEST_F(Walls, FontsAndEncodingsCanBeRead) { EXPECT_EQ(*session_->page(attempts().size() + 1, {}), "open"); }

TEST_F(Walls, ACrashIsStillNamed) {
  const auto text = session_->page(attempts().size() + 2, {});
  ASSERT_FALSE(text);
  EXPECT_NE(text.error().message.find("signal 6 (Aborted)"), std::string::npos) << text.error().message;
}

}  // namespace
}  // namespace answermill::extract
