// Real processes: small shell scripts stand in for the programs of the fleet. Waits are for events, with a
// deadline.
#include "frontend/command/fleet/supervisor.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "frontend/command/fleet/folders.h"

namespace answermill::command {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;

class SupervisorTest : public ::testing::Test {
 protected:
  SupervisorTest() {
    std::string made = ::testing::TempDir() + "/supervisor-XXXXXX";
    root = ::mkdtemp(made.data());
    runtime = root / "runtime";
    fs::create_directory(runtime);
    std::ofstream(runtime / "socket") << "x";
  }
  ~SupervisorTest() override {
    if (pid > 0) ::kill(pid, SIGKILL);
    fs::remove_all(root);
  }

  static ChildSpec shell(std::string name, const std::string& script, int phase = 0) {
    return {std::move(name), {"/bin/sh", "-c", script}, {}, phase};
  }

  // The supervisor runs in a process of its own, as it does in life; its log comes through a pipe.
  void start(const std::vector<ChildSpec>& children, FleetTimes times = {}) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    log.reset(ends[0]);
    const UniqueFd writing(ends[1]);
    pid = ::fork();
    ASSERT_GE(pid, 0);
    if (pid != 0) return;
    ::setpgid(0, 0);
    block_supervisor_signals();
    const UniqueFd lock(::open((root / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    Result<Guard> guard = Guard::start(runtime.string(), lock.get());
    if (!guard) ::_exit(99);
    int code = 0;
    {
      Supervisor supervisor(children, times, *guard, writing.get(), false);
      code = supervisor.run();
    }
    guard->finish();
    ::_exit(code);
  }

  // Reads the log until `text` was seen (again, after what was consumed before).
  ::testing::AssertionResult see(const std::string& text) {
    const auto until = Clock::now() + seconds{10};
    for (;;) {
      const std::size_t found = seen.find(text, consumed);
      if (found != std::string::npos) {
        consumed = found + text.size();
        return ::testing::AssertionSuccess();
      }
      pollfd waiting{log.get(), POLLIN, 0};
      const auto left = std::chrono::duration_cast<milliseconds>(until - Clock::now()).count();
      char buffer[4096];
      if (left <= 0 || ::poll(&waiting, 1, static_cast<int>(left)) <= 0) break;
      const ssize_t count = ::read(log.get(), buffer, sizeof buffer);
      if (count <= 0) break;
      seen.append(buffer, static_cast<std::size_t>(count));
    }
    return ::testing::AssertionFailure() << "no '" << text << "' in:\n" << seen;
  }

  // The number after `label` in the log so far.
  pid_t number_after(const std::string& label) {
    const std::size_t at = seen.rfind(label);
    return at == std::string::npos ? -1 : std::atoi(seen.c_str() + at + label.size());
  }

  int wait_for_end() {
    int status = 0;
    ::waitpid(pid, &status, 0);
    pid = -1;
    return status;
  }

  // Everything that held the log's writing end is gone once it reads as ended.
  bool log_ends() {
    const auto until = Clock::now() + seconds{5};
    for (;;) {
      pollfd waiting{log.get(), POLLIN, 0};
      const auto left = std::chrono::duration_cast<milliseconds>(until - Clock::now()).count();
      if (left <= 0 || ::poll(&waiting, 1, static_cast<int>(left)) <= 0) return false;
      char buffer[4096];
      const ssize_t count = ::read(log.get(), buffer, sizeof buffer);
      if (count == 0) return true;
      if (count > 0) seen.append(buffer, static_cast<std::size_t>(count));
    }
  }

  static bool alive(pid_t process) {
    std::ifstream stat("/proc/" + std::to_string(process) + "/stat");
    std::string text;
    std::getline(stat, text);  // a process that goes meanwhile leaves it empty
    const std::size_t name_end = text.rfind(')');
    return name_end != std::string::npos && text.compare(name_end, 4, ") Z ", 3) != 0;
  }

  // Blocks until the process is gone or a zombie.
  static bool dies(pid_t process) {
    const auto until = Clock::now() + seconds{5};
    while (alive(process)) {
      if (Clock::now() > until) return false;
      ::sched_yield();
    }
    return true;
  }

  fs::path root;
  fs::path runtime;
  pid_t pid = -1;
  UniqueFd log;
  std::string seen;
  std::size_t consumed = 0;
};

constexpr const char* kPatient = "trap 'echo bye; exit 0' TERM; echo pid=$$; while :; do sleep 0.05; done";
constexpr const char* kDeaf = "trap '' TERM; echo pid=$$; while :; do sleep 0.05; done";

TEST_F(SupervisorTest, PrefixesOutputAndStopsCleanly) {
  start({shell("broker", kPatient, 1), shell("extract.1", kPatient)});
  ASSERT_TRUE(see("pid="));
  ASSERT_TRUE(see("pid="));
  // Children start side by side: either may be the first to speak.
  EXPECT_NE(seen.find("broker    | pid="), std::string::npos);
  EXPECT_NE(seen.find("extract.1 | pid="), std::string::npos);
  const auto began = Clock::now();
  ::kill(pid, SIGTERM);
  ASSERT_TRUE(see("extract.1 | bye"));
  ASSERT_TRUE(see("broker    | bye"));
  const int status = wait_for_end();
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_LT(Clock::now() - began, seconds{4});
  EXPECT_FALSE(fs::exists(runtime));
}

TEST_F(SupervisorTest, RestartsWithBackoff) {
  start({shell("embed.1", "echo life; exit 3")});
  ASSERT_TRUE(see("embed.1 | life"));
  ASSERT_TRUE(see("embed.1 exited with 3; it starts again in 100 ms"));
  ASSERT_TRUE(see("embed.1 | life"));
  ASSERT_TRUE(see("it starts again in 200 ms"));
  ASSERT_TRUE(see("embed.1 | life"));
  ASSERT_TRUE(see("it starts again in 400 ms"));
  ::kill(pid, SIGINT);
  EXPECT_EQ(WEXITSTATUS(wait_for_end()), 0);
}

TEST_F(SupervisorTest, RestartsWhatWasKilledAndItsLeftovers) {
  start({shell("extract.1", "sleep 1000 & echo helper=$! own=$$; wait")});
  ASSERT_TRUE(see("own="));
  ASSERT_TRUE(see("\n"));
  const pid_t helper = number_after("helper=");
  ::kill(number_after("own="), SIGKILL);
  ASSERT_TRUE(see("was killed by signal 9"));
  EXPECT_TRUE(dies(helper));
  ASSERT_TRUE(see("helper="));
  ::kill(pid, SIGTERM);
  EXPECT_EQ(WEXITSTATUS(wait_for_end()), 0);
}

TEST_F(SupervisorTest, KillsTheDeafWithinFiveSeconds) {
  start({shell("broker", kDeaf, 1), shell("index.1", kDeaf)});
  ASSERT_TRUE(see("pid="));
  ASSERT_TRUE(see("pid="));
  const auto began = Clock::now();
  ::kill(pid, SIGTERM);
  EXPECT_EQ(WEXITSTATUS(wait_for_end()), 0);
  EXPECT_LT(Clock::now() - began, seconds{5});
  EXPECT_TRUE(log_ends());
}

TEST_F(SupervisorTest, SecondSignalKillsAtOnce) {
  start({shell("index.1", kDeaf)});
  ASSERT_TRUE(see("pid="));
  const auto began = Clock::now();
  ::kill(pid, SIGINT);
  ASSERT_TRUE(see("stopping"));
  ::kill(pid, SIGINT);
  EXPECT_EQ(WEXITSTATUS(wait_for_end()), 130);
  EXPECT_LT(Clock::now() - began, seconds{2});
}

TEST_F(SupervisorTest, KilledSupervisorLeavesNothingBehind) {
  start({shell("broker", kDeaf, 1), shell("extract.1", "sleep 1000 & echo helper=$!; wait")});
  ASSERT_TRUE(see("helper="));
  ASSERT_TRUE(see("\n"));
  const pid_t helper = number_after("helper=");
  if (seen.find("pid=") == std::string::npos) {
    ASSERT_TRUE(see("pid="));
  }
  const pid_t broker = number_after("pid=");
  ::kill(pid, SIGKILL);
  wait_for_end();
  EXPECT_TRUE(dies(helper));
  EXPECT_TRUE(dies(broker));
  const auto until = Clock::now() + seconds{5};
  while (fs::exists(runtime) && Clock::now() < until) ::sched_yield();
  EXPECT_FALSE(fs::exists(runtime));
}

TEST_F(SupervisorTest, SaysWhatCannotBeExecuted) {
  start({ChildSpec{"broker", {"/nonexistent/answermill-broker"}, {}, 0}});
  ASSERT_TRUE(see("/nonexistent/answermill-broker: No such file"));
  ASSERT_TRUE(see("exited with 127"));
  ::kill(pid, SIGTERM);
  EXPECT_EQ(WEXITSTATUS(wait_for_end()), 0);
}

}  // namespace
}  // namespace answermill::command
