// Durable jobs per second, submitted and completed, and the time from submission to start, against RabbitMQ,
// Redis streams, beanstalkd and NATS JetStream: each on its own empty folder of one disk, through equally
// simple clients, with the same number of jobs in flight.
//
//   queue_bench [--jobs N] [--rate N] [--only NAME] [--workers N]
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <thread>

#include "bench/queue/child.h"
#include "bench/queue/peer.h"
#include "shared/base/ids.h"

namespace {

using namespace answermill::bench;
using Clock = std::chrono::steady_clock;
namespace fs = std::filesystem;

constexpr std::size_t kInFlight = 2048;  // submitted and not yet completed
constexpr std::chrono::seconds kLongest{10};
constexpr std::size_t kPayload = 256;  // bytes, random enough not to shrink

struct Settings {
  std::size_t jobs = 100'000;
  std::size_t rate = 1000;  // jobs/s of the latency run
  std::string only;
  int workers = 0;  // 0: 1 and 8
};

struct Figures {
  double jobs_per_second = 0;
  double p50_ms = 0;
  double p99_ms = 0;
  double syncs_per_second = -1;  // while it went as fast as it could; -1: unknown
  double cpu_us_per_job = 0;     // of the server alone
};

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch()).count();
}

// Consumers on threads of their own until enough jobs were completed.
class Workers {
 public:
  Workers(Peer& peer, int count) {
    for (int i = 0; i < count; ++i) consumers_.push_back(peer.consumer());
    for (auto& consumer : consumers_) {
      threads_.emplace_back([this, &consumer = *consumer] { run(consumer); });
    }
  }
  ~Workers() {
    stop_ = true;
    for (auto& thread : threads_) thread.join();
  }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  std::size_t started() const { return started_; }
  std::size_t completed() const { return completed_; }
  void check() {
    const std::lock_guard lock(mutex_);
    if (!error_.empty()) throw PeerError(error_);
  }
  std::vector<std::int64_t> take_latencies() {
    const std::lock_guard lock(mutex_);
    return std::exchange(latencies_, {});
  }

 private:
  void run(Consumer& consumer) {
    std::vector<std::int64_t> mine;
    const std::function<void(std::string_view)> started = [&mine](std::string_view payload) {
      std::int64_t submitted = 0;
      std::memcpy(&submitted, payload.data(), sizeof submitted);
      mine.push_back(now_ns() - submitted);
    };
    try {
      while (!stop_) {
        const std::size_t done = consumer.work(started);
        started_ += mine.size();
        {
          const std::lock_guard lock(mutex_);
          latencies_.insert(latencies_.end(), mine.begin(), mine.end());
        }
        mine.clear();
        completed_ += done;
      }
    } catch (const std::exception& error) {
      const std::lock_guard lock(mutex_);
      error_ = error.what();
    }
  }

  std::vector<std::unique_ptr<Consumer>> consumers_;
  std::vector<std::thread> threads_;
  std::atomic<bool> stop_ = false;
  std::atomic<std::size_t> started_ = 0;
  std::atomic<std::size_t> completed_ = 0;
  std::mutex mutex_;
  std::vector<std::int64_t> latencies_;  // guarded by mutex_
  std::string error_;                    // guarded by mutex_
};

class Run {
 public:
  Run(Peer& peer, int workers)
      : peer_(peer), workers_(peer, workers), producer_(peer.producer()), payload_(kPayload, 'x') {
    for (std::size_t i = 8; i < kPayload; ++i) payload_[i] = static_cast<char>('!' + std::rand() % 90);
  }

  // As fast as it goes with kInFlight jobs under way; a slow queue gets fewer of them.
  void throughput(std::size_t jobs, Figures& figures) {
    const auto begin = Clock::now();
    const auto syncs = peer_.server().syncs();
    const auto cpu = peer_.server().cpu();
    const std::size_t first = workers_.completed();
    std::size_t submitted = 0;
    std::size_t confirmed = 0;
    while (workers_.completed() - first < jobs || confirmed < jobs) {
      workers_.check();
      if (Clock::now() - begin > kLongest) jobs = submitted;
      const std::size_t open = submitted - std::min({submitted, workers_.completed() - first, confirmed});
      std::size_t room = std::min(kInFlight - std::min(open, kInFlight), jobs - submitted);
      for (; room > 0; --room, ++submitted) submit();
      producer_->flush();
      confirmed += producer_->confirmed(1);
    }
    const std::chrono::duration<double> took = Clock::now() - begin;
    workers_.take_latencies();
    const auto count = static_cast<double>(jobs);
    figures.jobs_per_second = count / took.count();
    figures.cpu_us_per_job = static_cast<double>((peer_.server().cpu() - cpu).count()) / count;
    if (syncs)
      figures.syncs_per_second = static_cast<double>(*peer_.server().syncs() - *syncs) / took.count();
  }

  // One job every 1/rate seconds, whatever the queue does.
  void latency(std::size_t rate, std::size_t jobs, Figures& figures) {
    const auto begin = Clock::now();
    const std::size_t first = workers_.started();
    for (std::size_t i = 0; i < jobs; ++i) {
      const auto due = begin + std::chrono::nanoseconds(1'000'000'000 / rate * i);
      std::this_thread::sleep_until(due);
      submit();
      producer_->flush();
      producer_->confirmed(0);
    }
    while (workers_.started() - first < jobs && Clock::now() - begin < 2 * kLongest) {
      workers_.check();
      producer_->confirmed(5);
    }
    auto latencies = workers_.take_latencies();
    std::sort(latencies.begin(), latencies.end());
    const auto at = [&](double share) {
      return static_cast<double>(latencies.at(static_cast<std::size_t>(share * (latencies.size() - 1)))) /
             1e6;
    };
    figures.p50_ms = at(0.5);
    figures.p99_ms = at(0.99);
  }

 private:
  void submit() {
    const std::int64_t now = now_ns();
    std::memcpy(payload_.data(), &now, sizeof now);
    producer_->submit(payload_);
  }

  Peer& peer_;
  Workers workers_;
  std::unique_ptr<Producer> producer_;
  std::string payload_;
};

Figures measure(const PeerKind& kind, int workers, const Settings& settings) {
  // Short: an ipc path has 107 bytes at most. Not a memory file system: it shall be the same real disk.
  const fs::path folder = fs::path("/var/tmp") / ("queue-bench-" + answermill::random_id());
  fs::create_directories(folder);
  Figures figures;
  try {
    const auto peer = kind.start(folder);
    Run run(*peer, workers);
    run.throughput(settings.jobs / 10, figures);  // warms up
    run.latency(settings.rate, settings.rate * 2, figures);
    run.throughput(settings.jobs, figures);
  } catch (...) {
    fs::remove_all(folder);
    throw;
  }
  fs::remove_all(folder);
  return figures;
}

Settings parse(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    if (name == "--jobs") settings.jobs = std::stoul(argv[i + 1]);
    if (name == "--rate") settings.rate = std::stoul(argv[i + 1]);
    if (name == "--only") settings.only = argv[i + 1];
    if (name == "--workers") settings.workers = std::stoi(argv[i + 1]);
  }
  return settings;
}

}  // namespace

int main(int argc, char** argv) {
  const Settings settings = parse(argc, argv);
  fmt::print("{} jobs of {} bytes, {} in flight; latency at {} jobs/s; one disk, {} cores for all\n",
             settings.jobs, kPayload, kInFlight, settings.rate, std::thread::hardware_concurrency());
  fmt::print("{:<20} {:>7} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10}\n", "queue", "workers", "jobs/s",
             "p50 ms", "p99 ms", "fsyncs/s", "us cpu/job", "ours/it");
  for (const int workers : {1, 8}) {
    if (settings.workers != 0 && settings.workers != workers) continue;
    double ours = 0;
    for (const auto& kind : {answermill_strict(), redis_streams(), beanstalkd(), rabbitmq(), nats_jetstream(),
                             answermill_relaxed()}) {
      if (!settings.only.empty() && kind.name.find(settings.only) == std::string::npos) continue;
      if (find_program(kind.program).empty()) {
        fmt::print("{:<20} skipped: {} is not installed\n", kind.name, kind.program);
        continue;
      }
      try {
        const Figures figures = measure(kind, workers, settings);
        if (ours == 0) ours = figures.jobs_per_second;
        const std::string syncs =
            figures.syncs_per_second < 0 ? "?" : fmt::format("{:.0f}", figures.syncs_per_second);
        fmt::print("{:<20} {:>7} {:>10.0f} {:>10.2f} {:>10.2f} {:>10} {:>10.1f} {:>10.2f}\n", kind.name,
                   workers, figures.jobs_per_second, figures.p50_ms, figures.p99_ms, syncs,
                   figures.cpu_us_per_job, ours / figures.jobs_per_second);
      } catch (const std::exception& error) {
        fmt::print("{:<20} {:>7} failed: {}\n", kind.name, workers, error.what());
      }
      std::fflush(stdout);
    }
  }
  for (const auto& kind : {answermill_strict(), redis_streams(), beanstalkd(), rabbitmq(), nats_jetstream(),
                           answermill_relaxed()}) {
    fmt::print("  {}: {}\n", kind.name, kind.durability);
  }
  return 0;
}
