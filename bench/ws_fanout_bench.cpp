// One publisher to many WebSocket clients, as tokens go to people who watch: deliveries per second and the
// time each takes. Our edge beside a raw epoll server (the floor), Node's ws, Python's websockets and nginx
// with nchan, measured in the same run by the same load generator.
//
//   ws_fanout_bench [seconds=2] [rounds=3] [clients=1000 10000 … | server=all …]
//
// Every server runs in a process of its own on core 0, the load on core 1. The publisher is a client too: it
// sends a message, the server sends it to all, and the next goes out when fewer than `window` messages are
// under way. On a machine that does other work too, deliveries per second of the server's own CPU time are
// the steadier figure.
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <string>
#include <vector>

#include "bench/load/clients.h"
#include "bench/load/ws_servers.h"

namespace {

using namespace answermill::bench;

constexpr std::size_t kPayload = 300;
constexpr std::size_t kFrame = kPayload + 4;  // unmasked, as servers send
constexpr std::size_t kReadBytes = 256 * 1024;
constexpr std::size_t kPerAddress = 20'000;

struct Figures {
  double per_second = 0;
  double per_cpu_second = 0;
  double p50_ms = 0;
  double p99_ms = 0;
  double load = 0;  // share of its core that the generator took
};

double own_cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// One run against one server.
class Run {
 public:
  Run(const Server& server, const Subject& subject, std::size_t clients, std::size_t window)
      : pid_(server.pid), window_(window), received_(clients, 0), buffer_(kReadBytes) {
    for (std::size_t i = 0; i < clients; ++i) {
      const int fd = connect_client(server.port, static_cast<unsigned>(1 + i / kPerAddress));
      upgrade(fd, server.port, subject.subscriber);
      sockets_.push_back(fd);
      epoll_event event{EPOLLIN, {.u64 = i}};
      epoll_ctl(poll_, EPOLL_CTL_ADD, fd, &event);
    }
    publisher_ = connect_client(server.port);
    upgrade(publisher_, server.port, subject.publisher);
    make_nonblocking(publisher_);
  }
  ~Run() {
    for (const int fd : sockets_) close(fd);
    close(publisher_);
    close(poll_);
  }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  Figures measure(double seconds) {
    constexpr double kWarmSeconds = 0.3;
    const auto start = Clock::now();
    while (seconds_since(start) < kWarmSeconds) turn();
    const auto begun = Clock::now();
    const double cpu = cpu_seconds(pid_);
    const double own = own_cpu_seconds();
    const std::size_t before = total_;
    counting_ = true;
    while (seconds_since(begun) < seconds) turn();
    const double took = seconds_since(begun);
    const double deliveries = static_cast<double>(total_ - before) / kFrame;
    return {deliveries / took, deliveries / std::max(cpu_seconds(pid_) - cpu, 0.01), quantile(waits_, 0.5),
            quantile(waits_, 0.99), (own_cpu_seconds() - own) / took};
  }

 private:
  void turn() {
    publish();
    std::array<epoll_event, 256> events{};
    const int count = epoll_wait(poll_, events.data(), static_cast<int>(events.size()), 100);
    const auto now = Clock::now();
    for (int i = 0; i < count; ++i) receive(events[static_cast<std::size_t>(i)].data.u64, now);
    std::array<char, 4096> said{};  // nchan tells its publisher about each message
    while (recv(publisher_, said.data(), said.size(), MSG_DONTWAIT) > 0) {
    }
  }

  void publish() {
    std::string batch;
    const std::size_t wanted = total_ + window_ * sockets_.size() * kFrame;
    while (published_.size() * sockets_.size() * kFrame < wanted) {
      published_.push_back(Clock::now());
      batch += message_;
    }
    if (!batch.empty()) send_all(publisher_, batch);
  }

  void receive(std::size_t client, Clock::time_point now) {
    const ssize_t got = recv(sockets_[client], buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    check(got > 0 || errno == EAGAIN, "receive");
    if (got <= 0) return;
    std::size_t& bytes = received_[client];
    const std::size_t whole = bytes / kFrame;
    bytes += static_cast<std::size_t>(got);
    total_ += static_cast<std::size_t>(got);
    if (!counting_ || waits_.size() >= kMostWaits) return;
    for (std::size_t message = whole; message < bytes / kFrame; ++message)
      waits_.push_back(std::chrono::duration<double, std::milli>(now - published_[message]).count());
  }

  static constexpr std::size_t kMostWaits = 4'000'000;

  pid_t pid_;
  std::size_t window_;
  int poll_ = epoll_create1(EPOLL_CLOEXEC);
  int publisher_ = -1;
  std::vector<int> sockets_;
  std::vector<std::size_t> received_;  // bytes, by client
  std::vector<Clock::time_point> published_;
  std::vector<double> waits_;
  std::vector<char> buffer_;
  std::string message_ = masked_text(std::string(kPayload, 'm'));
  std::size_t total_ = 0;
  bool counting_ = false;
};

Figures median(const std::vector<Figures>& all) {
  const auto middle = [&all](double Figures::*field) {
    std::vector<double> values;
    for (const Figures& figures : all) values.push_back(figures.*field);
    return quantile(values, 0.5);
  };
  return {middle(&Figures::per_second), middle(&Figures::per_cpu_second), middle(&Figures::p50_ms),
          middle(&Figures::p99_ms), middle(&Figures::load)};
}

struct Contender {
  Subject subject;
  std::vector<Figures> rounds;
};

void report(const std::vector<Contender>& contenders) {
  const Figures floor = median(contenders[0].rounds);
  Figures best;
  for (const auto& [subject, rounds] : contenders) {
    if (rounds.empty()) {
      fmt::print("  {:<10} not available (needs {})\n", subject.name, subject.needs);
      continue;
    }
    const Figures figure = median(rounds);
    fmt::print(
        "  {:<10} {:>9.0f}/s ({:.2f} of the floor) {:>9.0f} per CPU second ({:.2f})  p50 {:7.2f} ms  p99 "
        "{:7.2f} ms  load {:3.0f} %\n",
        subject.name, figure.per_second, figure.per_second / floor.per_second, figure.per_cpu_second,
        figure.per_cpu_second / floor.per_cpu_second, figure.p50_ms, figure.p99_ms, figure.load * 100);
    if (&subject == &contenders[0].subject || &subject == &contenders[1].subject) continue;
    best.per_second = std::max(best.per_second, figure.per_second);
    best.per_cpu_second = std::max(best.per_cpu_second, figure.per_cpu_second);
  }
  if (best.per_second == 0) return;
  const Figures ours = median(contenders[1].rounds);
  fmt::print("  edge / best peer: {:.1f}, per CPU second {:.1f}\n", ours.per_second / best.per_second,
             ours.per_cpu_second / best.per_cpu_second);
}

}  // namespace

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::strtod(argv[1], nullptr) : 2.0;
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 3;
  std::vector<std::size_t> sizes;
  std::vector<std::string> names;
  for (int i = 3; i < argc; ++i) {
    const std::size_t clients = std::strtoul(argv[i], nullptr, 10);
    if (clients > 0) sizes.push_back(clients);
    if (clients == 0) names.emplace_back(argv[i]);
  }
  const auto wanted = [&names](const std::string& name) {
    return names.empty() || name == "raw epoll" || std::count(names.begin(), names.end(), name) > 0;
  };
  if (sizes.empty()) sizes = {1000, 10'000};
  raise_limits();
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  pin(1);
  for (const std::size_t clients : sizes) {
    for (const std::size_t window : {std::size_t{1}, std::size_t{16}}) {
      std::vector<Contender> contenders = {{epoll_subject(), {}},
                                           {edge_subject(), {}},
                                           {node_subject(), {}},
                                           {python_subject(), {}},
                                           {nchan_subject(), {}}};
      // Rounds take turns, so that a busy machine is unfair to all alike.
      for (int round = 0; round < rounds; ++round) {
        for (auto& [subject, figures] : contenders) {
          if (!wanted(subject.name)) continue;
          const Server server = start(subject.serve, 0);
          if (server.port != 0) figures.push_back(Run(server, subject, clients, window).measure(seconds));
          stop(server);
        }
      }
      fmt::print("{} clients, {} messages of {} bytes outstanding\n", clients, window, kPayload);
      report(contenders);
    }
  }
  return 0;
}
