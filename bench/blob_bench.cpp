// Documents over the bus, and what that costs those who wait for an answer.
//
// Speed: MB/s from the broker's blob service into a worker's cache folder, hash checked, beside a bare ZeroMQ
// stream of messages of the same size (no files, no hash), SHA-256 alone, and `cp`, in the same run.
// Dispatch: submit-to-start latency of interactive jobs at a real broker, quiet and while another process
// fetches without pause.
//
// Usage: blob_bench [MEGABYTES]
#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "broker/blobs/blob_service.h"
#include "shared/base/ids.h"
#include "shared/bus/job_consumer.h"
#include "shared/bus/socket.h"
#include "shared/log/log.h"
#include "shared/messages/blobs.h"
#include "shared/messages/codec.h"
#include "shared/messages/submit.h"
#include "shared/store/blob_store.h"
#include "workers/runtime/blob_source.h"

extern char** environ;  // NOLINT(readability-redundant-declaration)

namespace {

namespace fs = std::filesystem;
using namespace answermill;
using Clock = std::chrono::steady_clock;

constexpr int kRounds = 5;
constexpr int kNice = 5;
constexpr std::size_t kMegabyte = 1U << 20U;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

class SilentHandle : public bus::JobHandle {
 public:
  void emit_token(std::string_view) override {}
  void emit(messages::StreamEventKind, std::string) override {}
  void rewind(std::uint64_t) override {}
  std::uint64_t text_length() const override { return 0; }
  void progress(std::uint32_t) override {}
  bool cancelled() const override { return false; }
  void finish(messages::Outcome) override {}
};

std::unique_ptr<runtime::BlobSource> source_of(const std::string& endpoint, const fs::path& cache) {
  runtime::BlobSourceOptions options;
  options.endpoint = endpoint;
  options.cache.folder = cache;
  auto source = runtime::make_blob_source(options);
  if (!source) std::abort();
  return std::move(*source);
}

// ---- speed ----

double transfer_seconds(const std::string& endpoint, const fs::path& folder, const std::string& hash) {
  const auto cache = folder / ("cache-" + random_id());
  const auto source = source_of(endpoint, cache);
  SilentHandle job;
  const auto begin = Clock::now();
  if (!source->open(hash, job)) std::abort();
  const double took = seconds_since(begin);
  fs::remove_all(cache);
  return took;
}

// One thread sends, one receives; each has a context, as two processes would, and the niceness of a transfer.
double raw_stream(const std::string& endpoint, std::size_t bytes) {
  (void)::setpriority(PRIO_PROCESS, 0, kNice);  // the sender's thread inherits it
  const std::size_t count = bytes / messages::kBlobChunkBytes;
  bus::Context here;
  bus::Socket pull(here, bus::Pattern::kPull);
  if (!pull.bind(endpoint)) std::abort();
  std::thread sender([&] {
    bus::Context there;
    bus::Socket push(there, bus::Pattern::kPush);
    push.set_send_queue(16);
    push.set_linger(std::chrono::seconds(10));
    if (!push.connect(endpoint)) std::abort();
    const std::string chunk(messages::kBlobChunkBytes, 'x');
    for (std::size_t sent = 0; sent < count;) {
      if (push.send({chunk}) == bus::SendStatus::kSent) {
        ++sent;
      } else {
        std::this_thread::yield();
      }
    }
  });
  bus::Poller poller;
  poller.add(pull);
  std::vector<std::string> frames;
  Clock::time_point begin{};
  for (std::size_t got = 0; got < count;) {
    poller.wait(std::chrono::milliseconds(100));
    while (got < count && pull.receive(frames)) {
      if (got++ == 0) begin = Clock::now();
    }
  }
  const double took = seconds_since(begin);
  sender.join();
  return took;
}

double raw_seconds(const std::string& endpoint, std::size_t bytes) {
  return std::async(std::launch::async, [&] { return raw_stream(endpoint, bytes); }).get();
}

double hash_seconds(const std::string& bytes) {
  const auto begin = Clock::now();
  if (sha256_hex(bytes).empty()) std::abort();
  return seconds_since(begin);
}

double copy_seconds(const fs::path& from, const fs::path& to) {
  const std::string command = "cp --reflink=never " + from.string() + " " + to.string();
  const auto begin = Clock::now();
  if (std::system(command.c_str()) != 0) std::abort();
  const double took = seconds_since(begin);
  fs::remove(to);
  return took;
}

void speed(const fs::path& folder, std::size_t megabytes) {
  store::BlobStore store(folder / "blobs");
  std::string bytes(megabytes * kMegabyte, '\0');
  for (std::size_t i = 0; i < bytes.size(); i += 64) bytes[i] = static_cast<char>(i / 64);
  const auto hash = *store.put(bytes);
  const std::string endpoint = "ipc://" + (folder / "blobs.sock").string();
  const auto service = broker::BlobService::start({endpoint, (folder / "blobs").string(), 0});
  if (!service) std::abort();
  double transfer = 1e9;
  double raw = 1e9;
  double hashing = 1e9;
  double copy = 1e9;
  for (int round = 0; round < kRounds; ++round) {  // interleaved, the best of each: the machine is shared
    transfer = std::min(transfer, transfer_seconds(endpoint, folder, hash));
    raw = std::min(raw, raw_seconds("ipc://" + (folder / random_id(8)).string(), bytes.size()));
    hashing = std::min(hashing, hash_seconds(bytes));
    copy =
        std::min(copy, copy_seconds(folder / "blobs" / hash.substr(0, 2) / hash.substr(2), folder / "copy"));
  }
  const auto rate = [&](double seconds) { return static_cast<double>(megabytes) / seconds; };
  fmt::print(
      "{} MB, MB/s: blob transfer {:.0f}, raw ZeroMQ {:.0f} (ratio {:.2f}), SHA-256 {:.0f} ({:.2f}), cp "
      "{:.0f} ({:.2f})\n",
      megabytes, rate(transfer), rate(raw), raw / transfer, rate(hashing), hashing / transfer, rate(copy),
      copy / transfer);
}

// ---- dispatch ----

class Child {
 public:
  explicit Child(std::vector<std::string> words) {
    std::vector<char*> arguments;
    for (auto& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t quiet;
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    if (posix_spawn(&pid_, arguments[0], &quiet, nullptr, arguments.data(), environ) != 0) std::abort();
    posix_spawn_file_actions_destroy(&quiet);
  }
  ~Child() {
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

 private:
  pid_t pid_ = 0;
};

// A worker that finishes each job at once and notes how long it was on its way.
class Probe : public bus::ConsumerOutput {
 public:
  explicit Probe(const std::string& folder)
      : work_(context_, bus::Pattern::kDealer),
        jobs_(context_, bus::Pattern::kPush),
        consumer_({"extract", 8, {}}, *this, mailbox_,
                  [this](bus::Job job, std::shared_ptr<bus::JobHandle> handle) {
                    std::int64_t submitted = 0;
                    std::memcpy(&submitted, job.spec.payload.data(), sizeof submitted);
                    latencies.push_back(
                        static_cast<double>(Clock::now().time_since_epoch().count() - submitted) / 1e3);
                    handle->finish({});
                  },
                  {}) {
    if (!work_.connect("ipc://" + folder + "/work") || !jobs_.connect("ipc://" + folder + "/jobs"))
      std::abort();
    consumer_.on_relay_subscribed(Clock::now());
  }

  void send_work(std::string frame) override { work_.send({frame}); }
  void publish(std::string_view, std::string) override {}

  bool turn(std::chrono::milliseconds wait) {
    bus::Poller poller;
    poller.add(work_);
    poller.wait(wait);
    while (work_.receive(frames_)) consumer_.on_work_frame(frames_[0], Clock::now());
    mailbox_.run_all();
    consumer_.on_tick(Clock::now());
    return consumer_.welcomed();
  }

  void submit() {
    messages::Submit submit;
    submit.reply_topic = std::string(kTopicWidth, 'a');
    submit.job.stage = "extract";
    submit.job.op = "probe";
    submit.job.tenant = "bench";
    submit.job.request_id = random_id();
    submit.job.durability = messages::Durability::kRelaxed;
    const std::int64_t now = Clock::now().time_since_epoch().count();
    submit.job.payload.assign(reinterpret_cast<const char*>(&now), sizeof now);
    jobs_.send({messages::encode_frame(messages::SubmitKind::kSubmit, submit)});
  }

  std::vector<double> latencies;  // µs

 private:
  bus::Context context_;
  bus::Socket work_;
  bus::Socket jobs_;
  Mailbox mailbox_;
  bus::JobConsumer consumer_;
  std::vector<std::string> frames_;
};

// A job every 2 ms for 4 s.
std::vector<double> measure(Probe& probe) {
  probe.latencies.clear();
  auto next = Clock::now();
  for (int i = 0; i < 2000; ++i) {
    probe.submit();
    next += std::chrono::milliseconds(2);
    while (Clock::now() < next) probe.turn(std::chrono::milliseconds(1));
  }
  auto sorted = probe.latencies;
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

double quantile(const std::vector<double>& sorted, double q) {
  return sorted[static_cast<std::size_t>(static_cast<double>(sorted.size() - 1) * q)];
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void dispatch(const fs::path& self, const fs::path& folder) {
  const auto endpoint = [&](const char* name) { return "ipc://" + (folder / name).string(); };
  store::BlobStore store(folder / "data" / "blobs");
  std::string bytes(64 * kMegabyte, 'x');
  const auto hash = *store.put(bytes);
  const Child broker({self.parent_path() / "answermill-broker", "--data", folder / "data", "--jobs-endpoint",
                      endpoint("jobs"), "--work-endpoint", endpoint("work"), "--events-endpoint",
                      endpoint("events"), "--worker-events-endpoint", endpoint("worker-events"),
                      "--query-endpoint", endpoint("query"), "--blobs-endpoint", endpoint("blobs")});
  Probe probe(folder);
  while (!probe.turn(std::chrono::milliseconds(10))) {
  }
  measure(probe);  // until all is warm
  std::vector<double> quiet50, quiet99, busy50, busy99;
  for (int round = 0; round < kRounds; ++round) {
    auto sorted = measure(probe);
    quiet50.push_back(quantile(sorted, 0.5));
    quiet99.push_back(quantile(sorted, 0.99));
    const Child fetching({self, "fetch", endpoint("blobs"), (folder / "cache").string(), hash});
    sorted = measure(probe);
    busy50.push_back(quantile(sorted, 0.5));
    busy99.push_back(quantile(sorted, 0.99));
  }
  fmt::print(
      "dispatch, µs: quiet p50 {:.0f} p99 {:.0f}, while a transfer saturates p50 {:.0f} p99 {:.0f} (ratio "
      "{:.2f}, {:.2f})\n",
      median(quiet50), median(quiet99), median(busy50), median(busy99), median(busy50) / median(quiet50),
      median(busy99) / median(quiet99));
}

// Fetches the same blob again and again until it is told to stop.
int fetch_for_ever(const std::string& endpoint, const fs::path& cache, const std::string& hash) {
  const auto source = source_of(endpoint, cache);
  SilentHandle job;
  while (source->open(hash, job)) fs::remove(cache / hash);
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 5 && std::string(argv[1]) == "fetch") return fetch_for_ever(argv[2], argv[3], argv[4]);
  log::init("blob_bench", "ERROR");
  const std::size_t megabytes = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 256;
  const fs::path folder = fs::temp_directory_path() / ("blob-bench-" + random_id(8));
  fs::create_directories(folder / "dispatch");
  speed(folder, std::max<std::size_t>(megabytes, 1));
  dispatch(fs::read_symlink("/proc/self/exe"), folder / "dispatch");
  std::error_code ignored;
  fs::remove_all(folder, ignored);
  return 0;
}
