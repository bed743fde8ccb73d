// Events per second and latency through the relay of answermill-broker, its stream logs and all, at 10,000
// subscribed topics, against the limit: a process of bare libzmq with the same two sockets, one hop in and
// one out as ours has, that passes the same bytes on without a look. Ours besides checks, logs and orders
// each event, hears the beats of the workers that write 10,000 answers, and sends every topic its beacon each
// second.
//
//   relay_bench [--events N] [--rounds N] [--rate N] [--topics N]
//
// One publisher and two subscribers, the same for both. Throughput: as fast as kInFlight events under way
// allow. Latency: `rate` events a second, from sending to receiving. Both relays run all the time and take
// turns, so that a busy machine hits both; the CPU time that a relay's process spends on an event depends on
// the neighbours least.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "bench/queue/child.h"
#include "bench/queue/peer.h"
#include "bench/relay/raw_proxy.h"
#include "bench/relay/writers.h"
#include "shared/base/ids.h"
#include "shared/messages/codec.h"
#include "shared/messages/events.h"

namespace {

using namespace answermill;
using namespace answermill::bench;
using Clock = std::chrono::steady_clock;
namespace fs = std::filesystem;

constexpr std::size_t kInFlight = 4096;
constexpr std::size_t kSubscribers = 2;
constexpr std::chrono::seconds kPatience{60};

struct Settings {
  std::size_t topics = 10'000;
  std::size_t events = 300'000;  // of a throughput run
  std::size_t rounds = 5;
  std::size_t rate = 20'000;  // events/s of a latency run
};

struct Figures {
  double events_per_second = 0;
  double p50_us = 0;
  double p99_us = 0;
  double cpu_us = 0;  // of the relay's process, for an event of the throughput run
};

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch()).count();
}

double cpu_seconds(pid_t pid) {
  clockid_t clock{};
  timespec time{};
  if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &time) != 0) return 0;
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

// A token event ready to send; only its numbers change, in place, so that the generator costs little.
class TokenFrame {
 public:
  explicit TokenFrame(const Written& stream) : topic_(stream.topic()), seq_(stream.next_seq) {
    bytes_ = {static_cast<char>(messages::kProtocolVersion), static_cast<char>(messages::EventKind::kStream)};
    add("\x93\xc4");
    bytes_.push_back(static_cast<char>(stream.stream.size()));
    bytes_ += stream.stream;
    put(number(), stream.epoch);
    add("\x91\x95");
    first_ = number();
    last_ = number();
    bytes_.push_back(static_cast<char>(messages::StreamEventKind::kToken));
    offset_at_ = number();
    bytes_.push_back('\xc4');
    bytes_.push_back(static_cast<char>(kTokenBytes));
    bytes_ += "a word, 0123456789abcdef";
  }

  const std::string& topic() const { return topic_; }
  std::string_view next(std::int64_t sent_ns) {
    put(first_, seq_);
    put(last_, seq_++);
    put(offset_at_, offset_);
    offset_ += kTokenBytes;
    for (std::size_t i = 0; i < kDigits; ++i)
      bytes_[bytes_.size() - 1 - i] = "0123456789abcdef"[static_cast<std::uint64_t>(sent_ns) >> 4U * i & 15U];
    return bytes_;
  }
  // When the event that ends in these bytes was sent.
  static std::int64_t sent_at(std::string_view frame) {
    return frame.size() < kDigits
               ? 0
               : std::stoll(std::string(frame.substr(frame.size() - kDigits)), nullptr, 16);
  }

 private:
  static constexpr std::size_t kDigits = 16;
  static constexpr std::size_t kTokenBytes = 24;

  void add(const char* bytes) { bytes_ += bytes; }
  std::size_t number() {
    bytes_.push_back('\xcf');
    bytes_.append(8, '\0');
    return bytes_.size() - 8;
  }
  void put(std::size_t at, std::uint64_t value) {
    for (std::size_t i = 0; i < 8; ++i) bytes_[at + i] = static_cast<char>(value >> (56U - 8U * i));
  }

  std::string topic_;
  std::string bytes_;
  std::size_t first_ = 0;
  std::size_t last_ = 0;
  std::size_t offset_at_ = 0;
  std::uint64_t seq_;
  std::uint64_t offset_ = 0;
};

// Two sockets that share the topics, read by one thread.
class Subscribers {
 public:
  Subscribers(const std::string& endpoint, const std::vector<Written>& streams)
      : thread_([this, endpoint, &streams] { run(endpoint, streams); }) {
    const auto give_up = Clock::now() + kPatience;
    while (!ready_ && Clock::now() < give_up) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (!ready_) throw PeerError("cannot subscribe");
  }
  ~Subscribers() {
    stop_ = true;
    thread_.join();
  }
  Subscribers(const Subscribers&) = delete;
  Subscribers& operator=(const Subscribers&) = delete;

  std::uint64_t received() const { return received_; }
  // Blocks until there is more than `before`.
  void wait_for_more(std::uint64_t before) const { received_.wait(before); }
  // Only while nothing is under way.
  std::vector<std::int64_t> take_latencies() { return std::exchange(latencies_, {}); }

 private:
  void run(const std::string& endpoint, const std::vector<Written>& streams) {
    bus::Context context;
    std::vector<std::unique_ptr<bus::Socket>> sockets;
    bus::Poller poller;
    for (std::size_t i = 0; i < kSubscribers; ++i) {
      sockets.push_back(std::make_unique<bus::Socket>(context, bus::Pattern::kSub));
      if (!sockets.back()->connect(endpoint)) return;
      for (std::size_t k = i; k < streams.size(); k += kSubscribers)
        sockets.back()->subscribe(streams[k].topic());
      poller.add(*sockets.back());
    }
    ready_ = true;
    std::vector<std::string> frames;
    while (!stop_) {
      poller.wait(std::chrono::milliseconds(20));
      std::uint64_t fresh = 0;
      const auto now = now_ns();
      for (auto& socket : sockets) {
        for (int i = 0; i < 256 && socket->receive(frames); ++i) {
          if (frames[1][1] != static_cast<char>(messages::EventKind::kStream)) continue;  // a beacon
          ++fresh;
          latencies_.push_back(std::max(now, now_ns()) - TokenFrame::sent_at(frames[1]));
        }
      }
      if (fresh == 0) continue;
      received_ += fresh;
      received_.notify_one();
    }
  }

  std::atomic<bool> ready_ = false;
  std::atomic<bool> stop_ = false;
  std::atomic<std::uint64_t> received_ = 0;
  std::vector<std::int64_t> latencies_;  // handed over by received_
  std::thread thread_;
};

// A publisher and its subscribers at the two ends of a relay.
class Line {
 public:
  Line(const std::string& in, const std::string& out, pid_t relay, const std::vector<Written>& streams)
      : relay_(relay), publisher_(context_, bus::Pattern::kXpub), subscribers_(out, streams) {
    for (const auto& stream : streams) frames_.emplace_back(stream);
    if (!publisher_.connect(in)) throw PeerError("no relay");
    warm_up();
  }

  void throughput(std::size_t events, Figures& figures) {
    const auto begin = Clock::now();
    const double cpu = cpu_seconds(relay_);
    for (std::size_t i = 0; i < events; ++i) {
      while (sent_ - subscribers_.received() >= kInFlight)
        subscribers_.wait_for_more(subscribers_.received());
      send();
    }
    settle();
    const std::chrono::duration<double> took = Clock::now() - begin;
    figures.events_per_second = static_cast<double>(events) / took.count();
    figures.cpu_us = (cpu_seconds(relay_) - cpu) * 1e6 / static_cast<double>(events);
    subscribers_.take_latencies();
  }

  void latency(std::size_t rate, Figures& figures) {
    const auto begin = Clock::now();
    for (std::size_t i = 0; i < 2 * rate; ++i) {
      std::this_thread::sleep_until(begin + std::chrono::nanoseconds(1'000'000'000 / rate * i));
      send();
    }
    settle();
    auto times = subscribers_.take_latencies();
    std::sort(times.begin(), times.end());
    const auto at = [&](double share) {
      return static_cast<double>(times.at(static_cast<std::size_t>(share * (times.size() - 1)))) / 1e3;
    };
    figures.p50_us = at(0.5);
    figures.p99_us = at(0.99);
  }

 private:
  void send() {
    TokenFrame& frame = frames_[next_];
    next_ = next_ + 1 == frames_.size() ? 0 : next_ + 1;
    while (publisher_.send({frame.topic(), frame.next(now_ns())}) == bus::SendStatus::kFull)
      std::this_thread::yield();
    ++sent_;
  }

  void settle() {
    const auto give_up = Clock::now() + kPatience;
    while (subscribers_.received() < sent_) {
      if (Clock::now() > give_up) throw PeerError("events were lost on the way");
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
  }

  // Subscriptions travel on their own: the relay's to the publisher, the subscribers' to the relay. Those of
  // one socket come in order: when an event of its last topic comes through, all have arrived.
  void warm_up() {
    const auto give_up = Clock::now() + kPatience;
    for (std::vector<std::string> change; !publisher_.receive(change);) {
      if (Clock::now() > give_up) throw PeerError("the relay does not connect");
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    for (std::size_t i = frames_.size() - kSubscribers; i < frames_.size(); ++i) {
      for (bool arrived = false; !arrived;) {
        if (Clock::now() > give_up) throw PeerError("no subscription arrives");
        const std::uint64_t before = subscribers_.received();
        next_ = i;
        send();
        const auto lost = Clock::now() + std::chrono::seconds(1);
        while (!(arrived = subscribers_.received() > before) && Clock::now() < lost)
          std::this_thread::sleep_for(std::chrono::milliseconds(1));
        if (!arrived) --sent_;
      }
    }
    subscribers_.take_latencies();
  }

  pid_t relay_;
  bus::Context context_;
  bus::Socket publisher_;
  std::vector<TokenFrame> frames_;
  std::size_t next_ = 0;
  std::uint64_t sent_ = 0;
  Subscribers subscribers_;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void report(const char* name, const std::vector<Figures>& runs, const std::vector<Figures>& limits) {
  const auto middle = [](const std::vector<Figures>& all, double Figures::*what) {
    std::vector<double> values;
    for (const auto& one : all) values.push_back(one.*what);
    return median(values);
  };
  fmt::print("{:<22} {:>10.0f} {:>9.0f} {:>9.0f} {:>12.2f} {:>9.2f}\n", name,
             middle(runs, &Figures::events_per_second), middle(runs, &Figures::p50_us),
             middle(runs, &Figures::p99_us), middle(runs, &Figures::cpu_us),
             middle(runs, &Figures::events_per_second) / middle(limits, &Figures::events_per_second));
}

void run(const Settings& settings, const std::string& folder) {
  const auto at = [&](const char* name) { return "ipc://" + folder + "/" + name; };
  const std::string many = std::to_string(2 * settings.topics);
  const Child raw({"/proc/self/exe", "--raw-proxy", at("raw-in"), at("raw-out")}, folder);
  const Child broker(
      {find_program("answermill-broker"), "--data", folder, "--jobs-endpoint", at("jobs"), "--work-endpoint",
       at("work"), "--events-endpoint", at("events"), "--worker-events-endpoint", at("worker-events"),
       "--query-endpoint", at("query"), "--tenant-in-flight", many, "--tenant-open-streams", many},
      folder);
  std::vector<std::string> streams;
  for (std::size_t i = 0; i < settings.topics; ++i) streams.push_back(random_id() + "-" + random_id());
  const Writers writers(at("jobs"), at("work"), streams);
  Line limit(at("raw-in"), at("raw-out"), raw.pid(), writers.streams());
  Line ours(at("worker-events"), at("events"), broker.pid(), writers.streams());
  std::vector<Figures> limits(settings.rounds);
  std::vector<Figures> runs(settings.rounds);
  for (std::size_t i = 0; i < settings.rounds; ++i) {
    limit.throughput(settings.events, limits[i]);
    ours.throughput(settings.events, runs[i]);
    limit.latency(settings.rate, limits[i]);
    ours.latency(settings.rate, runs[i]);
  }
  report("libzmq XSUB/XPUB", limits, limits);
  report("answermill-broker", runs, limits);
  if (writers.resends() > 0) fmt::print("the bus lost events: {} asked for again\n", writers.resends());
}

Settings parse(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    if (name == "--events") settings.events = std::stoul(argv[i + 1]);
    if (name == "--rounds") settings.rounds = std::stoul(argv[i + 1]);
    if (name == "--rate") settings.rate = std::stoul(argv[i + 1]);
    if (name == "--topics") settings.topics = std::stoul(argv[i + 1]);
  }
  return settings;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 4 && std::string_view(argv[1]) == "--raw-proxy") return run_raw_proxy(argv[2], argv[3]);
  const Settings settings = parse(argc, argv);
  fmt::print("{} topics, {} subscribers, {} events in flight, {} rounds in turn; latency at {} events/s\n",
             settings.topics, kSubscribers, kInFlight, settings.rounds, settings.rate);
  fmt::print("{:<22} {:>10} {:>9} {:>9} {:>12} {:>9}\n", "relay", "events/s", "p50 us", "p99 us",
             "CPU us/event", "of limit");
  // Short: an ipc path has 107 bytes at most.
  const fs::path folder = fs::path("/var/tmp") / ("relay-bench-" + random_id());
  fs::create_directories(folder);
  int code = 0;
  try {
    run(settings, folder);
  } catch (const std::exception& error) {
    fmt::print("failed: {}\n", error.what());
    code = 1;
  }
  fs::remove_all(folder);
  return code;
}
