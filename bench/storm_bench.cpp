// A reconnect storm: many people watch answers grow, all lose their connection at once and come back.
//
//   storm_bench [clients=5000] [streams=20] [rounds=3]
//
// Each client resumes its stream where it was and is caught up when it has all that had been shown of it by
// the time the storm began. The floor is the same clients coming back to the same server without resuming
// anything: connection, handshake and the server's first word. The generator connects one client after the
// other, so its own share is in both.
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "bench/load/clients.h"
#include "bench/load/fleet.h"
#include "bench/load/instant_model.h"

namespace {

using namespace answermill::bench;

std::string_view value_of(std::string_view json, std::string_view key) {
  const std::size_t at = json.find(key);
  if (at == std::string_view::npos) return {};
  const std::string_view value = json.substr(at + key.size());
  return value.substr(0, value.find_first_of("\",}"));
}

std::uint64_t seq_of(std::string_view json) {
  const std::string text(value_of(json, R"("seq":)"));
  return std::strtoull(text.c_str(), nullptr, 10);
}

// Asks and reads until each answer has begun.
std::vector<std::string> ask(int fd, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i)
    send_all(fd, masked_text(fmt::format(
                     R"({{"type":"ask","id":"{}","question":"What is the keeper of page {} called?"}})", i,
                     i + 1)));
  std::vector<std::string> streams;
  std::size_t begun = 0;
  FrameReader reader;
  std::array<char, 65536> buffer{};
  while (begun < count) {
    const ssize_t got = recv(fd, buffer.data(), buffer.size(), 0);
    check(got > 0, "an answer");
    reader.feed({buffer.data(), static_cast<std::size_t>(got)}, [&](int, std::string_view text) {
      const std::string_view type = value_of(text, R"("type":")");
      if (type == "started") streams.emplace_back(value_of(text, R"("stream":")"));
      if (type == "token" && value_of(text, R"("offset":)") == "0") ++begun;
    });
  }
  return streams;
}

class Crowd {
 public:
  Crowd(std::uint16_t port, std::size_t clients, std::vector<std::string> streams)
      : port_(port), streams_(std::move(streams)), heads_(streams_.size(), 0), people_(clients) {}
  ~Crowd() { drop(); }
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  // Seconds until each has heard its first word (without resuming), or is where its stream was; by client.
  enum class Wants { kWelcome, kStream };
  std::vector<double> come(Wants wants) {
    wants_ = wants;
    targets_ = heads_;
    begin_ = Clock::now();
    there_.clear();
    upgraded_ = 0;
    for (std::size_t i = 0; i < people_.size(); ++i) {
      connect(i);
      if (i % 8 == 0) read(0);
      while (i + 1 - upgraded_ > kMostWaiting) read(10);  // more would wait for a second SYN
    }
    constexpr double kPatience = 60;
    while (there_.size() < people_.size() && seconds_since(begin_) < kPatience) read(100);
    return there_;
  }

  void watch(double seconds) {
    const auto from = Clock::now();
    while (seconds_since(from) < seconds) read(50);
  }

  void drop() {
    for (auto& person : people_) {
      if (person.fd >= 0) close(person.fd);
      person.fd = -1;
    }
  }

 private:
  struct Person {
    int fd = -1;
    std::uint64_t seq = 0;
    bool upgraded = false;
    bool there = false;
    std::string head;
    FrameReader reader;
  };

  void connect(std::size_t number) {
    Person& person = people_[number];
    person.fd = connect_client(port_);
    person.upgraded = person.there = false;
    person.head.clear();
    person.reader = {};
    // The first message does not wait for the handshake's answer.
    std::string bytes = fmt::format(
        "GET /api/ws HTTP/1.1\r\nHost: localhost:{}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        port_);
    if (wants_ == Wants::kStream)
      bytes += masked_text(fmt::format(R"({{"type":"resume","stream":"{}","after_seq":{}}})",
                                       streams_[number % streams_.size()], person.seq));
    send_all(person.fd, bytes);
    epoll_event event{EPOLLIN, {.u64 = number}};
    epoll_ctl(poll_, EPOLL_CTL_ADD, person.fd, &event);
  }

  void read(int wait_ms) {
    std::array<epoll_event, 256> events{};
    const int count = epoll_wait(poll_, events.data(), static_cast<int>(events.size()), wait_ms);
    for (int i = 0; i < count; ++i) {
      const std::size_t number = events[static_cast<std::size_t>(i)].data.u64;
      Person& person = people_[number];
      const ssize_t got = recv(person.fd, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
      check(got > 0 || (got < 0 && errno == EAGAIN), "the server keeps the connection");
      if (got > 0) take(number, {buffer_.data(), static_cast<std::size_t>(got)});
    }
  }

  void take(std::size_t number, std::string_view bytes) {
    Person& person = people_[number];
    if (!person.upgraded) {
      person.head.append(bytes);
      const std::size_t end = person.head.find("\r\n\r\n");
      if (end == std::string::npos) return;
      check(person.head.find(" 101 ") != std::string::npos, "the upgrade");
      person.upgraded = true;
      ++upgraded_;
      const std::string rest = person.head.substr(end + 4);
      return take(number, rest);
    }
    person.reader.feed(bytes, [&](int, std::string_view text) { hear(number, text); });
  }

  void hear(std::size_t number, std::string_view text) {
    Person& person = people_[number];
    const std::string_view type = value_of(text, R"("type":")");
    if (type == "error") {
      fmt::print(stderr, "refused: {}\n", text);
      std::exit(1);
    }
    const std::size_t stream = number % streams_.size();
    if (type == "token") {
      person.seq = std::max(person.seq, seq_of(text));
      heads_[stream] = std::max(heads_[stream], person.seq);
    }
    const bool now_there =
        wants_ == Wants::kWelcome ? type == "welcome" : type == "token" && person.seq >= targets_[stream];
    if (!now_there || person.there) return;
    person.there = true;
    there_.push_back(seconds_since(begin_));
  }

  static constexpr std::size_t kMostWaiting = 2000;

  std::uint16_t port_;
  std::size_t upgraded_ = 0;
  std::vector<std::string> streams_;
  std::vector<std::uint64_t> heads_;    // the furthest that anybody has seen, by stream
  std::vector<std::uint64_t> targets_;  // where that was when the storm began
  std::vector<Person> people_;
  std::vector<double> there_;
  Wants wants_ = Wants::kWelcome;
  Clock::time_point begin_;
  int poll_ = epoll_create1(EPOLL_CLOEXEC);
  std::array<char, 65536> buffer_{};
};

double report(std::string_view name, const std::vector<double>& seconds, std::size_t clients) {
  const double last = seconds.size() == clients ? quantile(seconds, 1) : 0;
  fmt::print("  {:<10} all {} of {} after {:.2f} s (half {:.2f} s, 99 % {:.2f} s): {:.0f} a second\n", name,
             seconds.size(), clients, last, quantile(seconds, 0.5), quantile(seconds, 0.99),
             last > 0 ? static_cast<double>(clients) / last : 0);
  return last;
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t clients = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 5000;
  const std::size_t streams = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 20;
  const int rounds = argc > 3 ? std::atoi(argv[3]) : 3;
  raise_limits();
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const Server model =
      start([](int pipe) { serve_paced_model(pipe, std::chrono::milliseconds(100)); }, kAnyCore);
  {
    const Fleet fleet(model.port);
    fleet.ingest("book.txt", book(100));
    const int asker = connect_client(fleet.port());
    upgrade(asker, fleet.port(), "/api/ws");
    fmt::print("{} clients of {} growing answers lose their connections\n", clients, streams);
    Crowd crowd(fleet.port(), clients, ask(asker, streams));
    static_cast<void>(crowd.come(Crowd::Wants::kStream));
    for (int round = 0; round < rounds; ++round) {
      crowd.drop();
      const double floor = report("floor", crowd.come(Crowd::Wants::kWelcome), clients);
      crowd.drop();
      crowd.watch(1);
      const double ours = report("resumed", crowd.come(Crowd::Wants::kStream), clients);
      crowd.watch(0.5);
      if (floor > 0) fmt::print("  ratio to the floor {:.2f}\n", ours / floor);
    }
    close(asker);
  }
  stop(model);
  return 0;
}
