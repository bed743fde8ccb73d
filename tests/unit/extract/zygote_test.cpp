#include "workers/extract/zygote.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <thread>
#include <vector>

#include "shared/base/unix_fd.h"
#include "tests/unit/extract/parser_world.h"
#include "workers/extract/parser_wire.h"
#include "workers/extract/pdf_session.h"

namespace answermill::extract {
namespace {

using std::chrono::milliseconds;

void answer(int session, ReplyKind kind, std::uint32_t number, std::string_view body) {
  const ReplyHeader header{kind, number, static_cast<std::uint32_t>(body.size())};
  if (write(session, &header, sizeof(header)) < 0 || write(session, body.data(), body.size()) < 0) _exit(9);
}

// A parser that misbehaves by page number: 3 aborts, 4 hangs, 5 is out of memory, 6 cannot be loaded, 7 lies,
// 20 works for ever.
int misbehaving_parser(int session, int /*document*/, const ParserLimits& /*limits*/) {
  answer(session, ReplyKind::kOpened, 12, {});
  PageRequest request;
  while (recv(session, &request, sizeof(request), MSG_WAITALL) == static_cast<ssize_t>(sizeof(request))) {
    if (request.page == 3) {
      std::fputs("first words\nthe last words of page 3\n", stderr);
      std::abort();
    }
    if (request.page == 4) pause();
    if (request.page == 5) return kExitOutOfMemory;
    if (request.page == 6) answer(session, ReplyKind::kBadPage, 6, {});
    if (request.page == 7) answer(session, ReplyKind::kText, 99, "another page");
    if (request.page == 20) {
      for (std::atomic<unsigned> turns{0};;) ++turns;
    }
    if (request.page < 3 || request.page > 7)
      answer(session, ReplyKind::kText, request.page, "Some text of a page.");
  }
  return 0;
}

// Shows from inside what a parser may do.
int curious_parser(int session, int document, const ParserLimits& /*limits*/) {
  answer(session, ReplyKind::kOpened, 1, {});
  PageRequest request;
  if (recv(session, &request, sizeof(request), MSG_WAITALL) < 0) return 1;
  std::string found;
  std::array<char, 16> bytes{};
  found += pread(document, bytes.data(), 5, 0) == 5 ? bytes.data() : "no document";
  int open_fds = 0;
  for (int fd = 0; fd < 256; ++fd) open_fds += fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
  found += " fds " + std::to_string(open_fds);
  signal(SIGXFSZ, SIG_IGN);
  const int file = memfd_create("x", 0);
  found += write(file, "x", 1) < 0 ? " cannot write" : " can write";
  void* much = mmap(nullptr, 4ULL << 30U, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  found += much == MAP_FAILED ? " cannot grow" : " can grow";
  answer(session, ReplyKind::kText, request.page, found);
  return 0;
}

UniqueFd some_document() {
  UniqueFd fd(memfd_create("document", MFD_CLOEXEC));
  EXPECT_EQ(write(fd.get(), "hello", 5), 5);
  return fd;
}

SessionLimits quick() {
  SessionLimits limits;
  limits.page = milliseconds(300);
  limits.wait = milliseconds(2000);
  return limits;
}

TEST(Zygote, TellsHowAParserDied) {
  auto zygote = Zygote::start({}, {misbehaving_parser});
  ASSERT_TRUE(zygote);
  const UniqueFd document = some_document();
  const auto death_on = [&](std::uint32_t page) {
    auto session = PdfSession::open(*zygote, document.get(), quick(), {});
    EXPECT_TRUE(session) << session.error().message;
    EXPECT_EQ(*(*session)->page(1, {}), "Some text of a page.");
    const auto text = (*session)->page(page, {});
    EXPECT_FALSE(text);
    EXPECT_FALSE((*session)->reusable());
    return text ? Error{} : text.error();
  };
  const Error aborted = death_on(3);
  EXPECT_EQ(aborted.code, ErrorCode::kCrashed);
  EXPECT_NE(aborted.message.find("signal 6 (Aborted) on page 3"), std::string::npos) << aborted.message;
  EXPECT_NE(aborted.message.find("the last words of page 3"), std::string::npos) << aborted.message;
  EXPECT_EQ(death_on(4).code, ErrorCode::kTimeout);
  EXPECT_EQ(death_on(5).code, ErrorCode::kLimit);
  EXPECT_EQ(death_on(7).code, ErrorCode::kCrashed);
  const Error spun = death_on(20);
  EXPECT_EQ(spun.code, ErrorCode::kLimit);
  EXPECT_NE(spun.message.find("0.3 s of processor time on page 20"), std::string::npos) << spun.message;
}

TEST(Zygote, ABadPageLeavesTheParserAlive) {
  auto zygote = Zygote::start({}, {misbehaving_parser});
  ASSERT_TRUE(zygote);
  const UniqueFd document = some_document();
  auto session = PdfSession::open(*zygote, document.get(), quick(), {});
  ASSERT_TRUE(session);
  EXPECT_EQ((*session)->page(6, {}).error().code, ErrorCode::kDamaged);
  EXPECT_TRUE((*session)->reusable());
  EXPECT_TRUE((*session)->page(8, {}));
}

TEST(Zygote, AParserKilledMidPageIsACrash) {
  auto zygote = Zygote::start({}, {misbehaving_parser});
  ASSERT_TRUE(zygote);
  const UniqueFd document = some_document();
  SessionLimits patient;
  auto session = PdfSession::open(*zygote, document.get(), patient, {});
  ASSERT_TRUE(session);
  const pid_t pid = (*session)->pid();
  ASSERT_GT(pid, 0);
  // The hanging page: the callback runs while it is waited for.
  const auto text = (*session)->page(4, [pid] {
    kill(pid, SIGKILL);
    return false;
  });
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code, ErrorCode::kCrashed);
  EXPECT_NE(text.error().message.find("signal 9 (Killed) on page 4"), std::string::npos)
      << text.error().message;
}

TEST(Zygote, CancelStopsAHangingParser) {
  auto zygote = Zygote::start({}, {misbehaving_parser});
  ASSERT_TRUE(zygote);
  const UniqueFd document = some_document();
  auto session = PdfSession::open(*zygote, document.get(), SessionLimits{}, {});
  ASSERT_TRUE(session);
  EXPECT_EQ((*session)->page(4, [] { return true; }).error().code, ErrorCode::kCancelled);
}

TEST(Zygote, ParsersAreFencedIn) {
  auto zygote = Zygote::start({}, {curious_parser});
  ASSERT_TRUE(zygote);
  const UniqueFd document = some_document();
  auto session = PdfSession::open(*zygote, document.get(), quick(), {});
  ASSERT_TRUE(session);
  const auto found = (*session)->page(1, {});
  ASSERT_TRUE(found);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  EXPECT_EQ(found->substr(0, 27), "hello fds 5 cannot write ca");
#else
  EXPECT_EQ(*found, "hello fds 5 cannot write cannot grow");
#endif
}

TEST(Zygote, SaysWhenItIsGone) {
  auto zygote = Zygote::start({}, {misbehaving_parser});
  ASSERT_TRUE(zygote);
  EXPECT_TRUE(zygote->alive());
  const UniqueFd document = some_document();
  auto session = PdfSession::open(*zygote, document.get(), quick(), {});
  ASSERT_TRUE(session);
  kill(zygote->pid(), SIGKILL);
  const auto text = (*session)->page(4, {});
  ASSERT_FALSE(text) << "its parsers go with it";
  EXPECT_TRUE(is_parser_death(text.error().code));
  EXPECT_FALSE(zygote->alive());
  EXPECT_EQ(PdfSession::open(*zygote, document.get(), quick(), {}).error().code, ErrorCode::kUnavailable);
}

TEST(Zygote, ServesManyThreads) {
  auto zygote = Zygote::start({}, {misbehaving_parser});
  ASSERT_TRUE(zygote);
  const UniqueFd document = some_document();
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 10; ++i) {
        auto session = PdfSession::open(*zygote, document.get(), SessionLimits{}, {});
        if (session && (*session)->page(1, {}) && !(*session)->page(3, {})) ++good;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(good, 40);
}

// A pipe whose write end only the zygote and its parsers hold shows their end by the end of file.
TEST(Zygote, DiesWithItsWorker) {
  std::array<int, 2> report{};
  ASSERT_EQ(pipe(report.data()), 0);
  const pid_t worker = fork();
  if (worker == 0) {
    auto zygote = Zygote::start({}, {misbehaving_parser});
    const UniqueFd document = some_document();
    auto session = PdfSession::open(*zygote, document.get(), SessionLimits{}, {});
    const std::array<pid_t, 2> pids{zygote->pid(), session ? (*session)->pid() : 0};
    if (write(report[1], pids.data(), sizeof(pids)) < 0) _exit(1);
    raise(SIGKILL);
  }
  std::array<pid_t, 2> pids{};
  ASSERT_EQ(read(report[0], pids.data(), sizeof(pids)), static_cast<ssize_t>(sizeof(pids)));
  waitpid(worker, nullptr, 0);
  const auto gone = [](pid_t pid) {
    std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
    std::string line;
    if (!std::getline(stat, line)) return true;
    return line.find(") Z ") != std::string::npos;  // dead, only its new parent has not noticed
  };
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (!(gone(pids[0]) && gone(pids[1])) && std::chrono::steady_clock::now() < until)
    std::this_thread::yield();
  EXPECT_TRUE(gone(pids[0]));
  EXPECT_TRUE(gone(pids[1]));
  close(report[0]);
  close(report[1]);
}

TEST(Extractor, LosesOnlyThePoisonPages) {
  auto zygote = Zygote::start({}, {misbehaving_parser});
  ASSERT_TRUE(zygote);
  const TemporaryFolder folder;
  store::BlobStore blobs(folder.path());
  ExtractorOptions options;
  options.session = quick();
  runtime::StoredBlobs source(blobs);
  Extractor extractor(*zygote, source, options);
  const auto out = extract_all(extractor, blobs, "%PDF-1.4 whatever", "a.pdf");
  EXPECT_EQ(out.plan_code, ErrorCode::kOk);
  EXPECT_EQ(out.total_pages, 12U);
  EXPECT_EQ(out.pages.size(), 7U) << "1, 2, 8 to 12";
  EXPECT_EQ(out.embed_units, 7U);
  ASSERT_EQ(out.failures.size(), 5U) << "3 to 7, one job each";
  for (const auto& failure : out.failures) {
    const bool death = failure.code != ErrorCode::kDamaged;
    EXPECT_EQ(failure.crashed, death) << failure.message;
    EXPECT_EQ(failure.retryable, death && failure.code != ErrorCode::kLimit) << failure.message;
    EXPECT_NE(failure.message.find(" "), std::string::npos);
  }
}

}  // namespace
}  // namespace answermill::extract
