// A real broker and real workers, one of whose jobs blocks the loop of whoever gets it.
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <vector>

#include "broker/broker_loop.h"
#include "core_fixture.h"
#include "shared/base/ids.h"
#include "shared/bus/socket.h"
#include "workers/runtime/worker.h"

namespace answermill::broker {
namespace {

using namespace messages;
using Clock = std::chrono::steady_clock;

constexpr std::uintmax_t kStops = 4;

// Takes jobs on the loop's own thread, as no stage should. The job "stop" stops the whole process, kStops
// times, counted by the bytes of a file.
class BlockingStage : public runtime::Stage {
 public:
  explicit BlockingStage(std::filesystem::path counter) : counter_(std::move(counter)) {}
  std::string name() const override { return "extract"; }
  std::uint32_t slots() const override { return 1; }
  void start(bus::Job job, std::shared_ptr<bus::JobHandle> handle) override {
    while (job.spec.payload == "hang") ::pause();
    if (job.spec.payload == "stop" && stops() < kStops) {
      std::ofstream(counter_, std::ios::app) << 'x';
      ::raise(SIGSTOP);
    }
    handle->progress(0);
    handle->finish({});
  }

 private:
  std::uintmax_t stops() const {
    std::error_code missing;
    const auto size = std::filesystem::file_size(counter_, missing);
    return missing ? 0 : size;
  }
  std::filesystem::path counter_;
};

class Fleet {
 public:
  Fleet() { std::filesystem::create_directories(folder_); }
  ~Fleet() {
    for (const pid_t child : children_) {
      ::kill(child, SIGKILL);
      ::kill(child, SIGCONT);
      ::waitpid(child, nullptr, 0);
    }
    std::filesystem::remove_all(folder_);
  }
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;

  std::string endpoint(const char* name) const { return "ipc://" + (folder_ / name).string(); }
  void start_broker() {
    start([this] {
      BrokerOptions options;
      options.data = folder_ / "data";
      options.jobs = endpoint("jobs");
      options.work = endpoint("work");
      options.events = endpoint("events");
      options.worker_events = endpoint("worker_events");
      options.query = endpoint("query");
      return run_broker(options) ? 0 : 1;
    });
  }
  void start_worker() {
    start([this] {
      BlockingStage stage(folder_ / "stops");
      return runtime::run_worker({endpoint("work"), endpoint("worker_events"), {}, {}}, stage);
    });
  }

 private:
  void start(const std::function<int()>& run) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::_exit(run());
    }
    children_.push_back(child);
  }

  std::filesystem::path folder_ = std::filesystem::temp_directory_path() / ("hang-" + random_id());
  std::vector<pid_t> children_;
};

// The submitter, and what it hears of its groups.
class Client {
 public:
  explicit Client(const Fleet& fleet)
      : jobs_(context_, bus::Pattern::kPush), events_(context_, bus::Pattern::kSub) {
    EXPECT_TRUE(jobs_.connect(fleet.endpoint("jobs")));
    EXPECT_TRUE(events_.connect(fleet.endpoint("events")));
    events_.subscribe(kTopic);
    poller_.add(events_);
  }
  void submit(const std::string& name, const std::string& payload) {
    auto submit = submission(name, "extract", Durability::kStrict);
    submit.reply_topic = kTopic;
    submit.job.payload = payload;
    submit.group = GroupSpec{name, kTopic, {}, 0, {}};
    submit.group->completion.stage = "record";
    const std::string frame = encode_frame(SubmitKind::kSubmit, submit);
    const auto acknowledged = [&](const Frame& event) {
      return event.kind == static_cast<std::uint8_t>(EventKind::kAck) &&
             decode<SubmitAck>(event.body)->request_id == name;
    };
    // The first is sent until it is answered: the subscription must have arrived.
    do {
      jobs_.send({frame});
    } while (!wait(acknowledged, std::chrono::milliseconds(200)));
  }
  // The progress of a group once it needs its completion job only.
  GroupProgress end_of(const std::string& name) {
    GroupProgress last;
    const bool ended = wait(
        [&](const Frame& event) {
          if (event.kind != static_cast<std::uint8_t>(EventKind::kProgress)) return false;
          last = *decode<GroupProgress>(event.body);
          return last.group == name && last.state == GroupState::kCompleting;
        },
        std::chrono::seconds(60));
    EXPECT_TRUE(ended) << name;
    return last;
  }

 private:
  bool wait(const std::function<bool(const Frame&)>& wanted, std::chrono::milliseconds most) {
    for (const auto until = Clock::now() + most; Clock::now() < until;) {
      while (events_.receive(frames_)) {
        if (frames_.size() == 2 && wanted(*split_frame(frames_[1]))) return true;
      }
      poller_.wait(std::chrono::milliseconds(50));
    }
    return false;
  }

  bus::Context context_;
  bus::Socket jobs_;
  bus::Socket events_;
  bus::Poller poller_;
  std::vector<std::string> frames_;
};

TEST(Hang, AJobThatBlocksEveryWorkersLoopIsSetAsideByName) {
  Fleet fleet;
  fleet.start_broker();
  for (int i = 0; i < 3; ++i) fleet.start_worker();
  Client client(fleet);
  client.submit("bad", "hang");
  const auto bad = client.end_of("bad");
  ASSERT_EQ(bad.failures.size(), 1U);
  EXPECT_EQ(bad.failures[0].code, ErrorCode::kTimeout);
  EXPECT_NE(bad.failures[0].message.find("made no progress for"), std::string::npos)
      << bad.failures[0].message;
}

TEST(Hang, AJobWhoseWorkersAreStoppedIsDoneInTheEnd) {
  Fleet fleet;
  fleet.start_broker();
  for (std::uintmax_t i = 0; i <= kStops; ++i) fleet.start_worker();
  Client client(fleet);
  client.submit("good", "stop");
  EXPECT_TRUE(client.end_of("good").failures.empty());
}

}  // namespace
}  // namespace answermill::broker
