// Time to the first token of a question through the whole fleet, with a model server that answers at once.
//
//   question_bench [rate=100] [seconds=10] [connections=32] [fleet arguments]
//
// Questions leave at fixed times over native WebSockets, whether or not earlier ones are answered (an open
// loop), and each is measured from the time it was due: a stall is felt by all that it delays. The floor is
// the same generator asking the model server itself, at the same rate. Then the rate doubles, and is halved
// in, to find the highest one whose p99 stays at or below 50 ms.
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "bench/load/clients.h"
#include "bench/load/fleet.h"
#include "bench/load/instant_model.h"

namespace {

using namespace answermill::bench;

constexpr double kHighestP99Ms = 50;

enum Mark : std::size_t { kStarted, kSources, kToken, kDone, kMarks };
constexpr std::array<std::string_view, kMarks> kNames{"started", "sources", "first token", "done"};

struct Figures {
  std::array<std::vector<double>, kMarks> ms;
  std::size_t asked = 0;
  double late_ms = 0;  // how far behind its own plan the generator was, at most
  bool answered() const { return ms[kToken].size() == asked; }
};

std::string value_of(std::string_view json, std::string_view key) {
  const std::size_t at = json.find(key);
  if (at == std::string_view::npos) return {};
  const std::string_view value = json.substr(at + key.size());
  return std::string(value.substr(0, value.find('"')));
}

// What all questions of one run have in common.
class Run {
 public:
  Run(double rate, double seconds) : every_(1 / rate), total_(static_cast<std::size_t>(rate * seconds)) {}
  virtual ~Run() = default;

  Figures measure() {
    const int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    add(timer);
    begin_ = Clock::now() + std::chrono::milliseconds(50);
    const double give_up = static_cast<double>(total_) * every_ + 5;
    figures_.asked = total_;
    std::array<epoll_event, 64> events{};
    while (done_ < total_ && seconds_since(begin_) < give_up) {
      const double now = seconds_since(begin_);
      while (sent_ < total_ && due(sent_) <= now) {
        figures_.late_ms = std::max(figures_.late_ms, (now - due(sent_)) * 1000);
        ask(sent_++);
      }
      arm(timer);
      const int count = epoll_wait(poll_, events.data(), static_cast<int>(events.size()), 100);
      for (int i = 0; i < count; ++i) {
        const int fd = events[static_cast<std::size_t>(i)].data.fd;
        if (fd != timer) on_readable(fd);
      }
    }
    close(timer);
    return std::move(figures_);
  }

 protected:
  virtual void ask(std::size_t question) = 0;
  virtual void on_bytes(int fd, std::string_view bytes) = 0;

  void add(int fd) const {
    epoll_event event{EPOLLIN, {.fd = fd}};
    epoll_ctl(poll_, EPOLL_CTL_ADD, fd, &event);
  }
  void mark(std::size_t question, Mark mark) {
    figures_.ms[mark].push_back((seconds_since(begin_) - due(question)) * 1000);
    if (mark == kDone) ++done_;
  }

 private:
  double due(std::size_t question) const { return static_cast<double>(question) * every_; }

  void arm(int timer) const {
    if (sent_ == total_) return;
    const auto at =
        begin_ + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(due(sent_)));
    const auto nanoseconds = at.time_since_epoch().count();
    itimerspec when{};
    when.it_value = {nanoseconds / 1'000'000'000, nanoseconds % 1'000'000'000};
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, nullptr);
  }

  void on_readable(int fd) {
    const ssize_t got = recv(fd, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    check(got != 0, "the server closed a connection");
    if (got > 0) on_bytes(fd, {buffer_.data(), static_cast<std::size_t>(got)});
  }

  int poll_ = epoll_create1(EPOLL_CLOEXEC);
  Clock::time_point begin_;
  double every_;
  std::size_t total_;
  std::size_t sent_ = 0;
  std::size_t done_ = 0;
  Figures figures_;
  std::array<char, 65536> buffer_{};
};

class ThroughTheFleet final : public Run {
 public:
  ThroughTheFleet(std::uint16_t port, std::size_t connections, double rate, double seconds)
      : Run(rate, seconds) {
    for (std::size_t i = 0; i < connections; ++i) {
      fds_.push_back(connect_client(port));
      upgrade(fds_.back(), port, "/api/ws", "Sec-WebSocket-Protocol: answermill.v1\r\n");
      add(fds_.back());
    }
  }
  ~ThroughTheFleet() override {
    for (const int fd : fds_) close(fd);
  }

 private:
  void ask(std::size_t question) override {
    send_all(fds_[question % fds_.size()],
             masked_text(fmt::format(
                 R"({{"type":"ask","id":"{}","question":"What is the keeper of page {} called?"}})", question,
                 question % 100 + 1)));
  }

  void on_bytes(int fd, std::string_view bytes) override {
    readers_[fd].feed(bytes, [this](int, std::string_view text) { on_message(text); });
  }

  void on_message(std::string_view text) {
    const std::string type = value_of(text, R"("type":")");
    if (type == "error") {
      fmt::print(stderr, "refused: {}\n", text);
      std::exit(1);
    }
    if (type == "started") {
      const std::size_t question = std::strtoul(value_of(text, R"("id":")").c_str(), nullptr, 10);
      streams_[value_of(text, R"("stream":")")] = {question, false};
      return mark(question, kStarted);
    }
    const auto found = streams_.find(value_of(text, R"("stream":")"));
    if (found == streams_.end()) return;
    auto& [question, has_token] = found->second;
    if (type == "sources") mark(question, kSources);
    if (type == "token" && !std::exchange(has_token, true)) mark(question, kToken);
    if (type != "done" && type != "failed" && type != "cancelled" && type != "expired") return;
    mark(question, kDone);
    streams_.erase(found);
  }

  std::vector<int> fds_;
  std::unordered_map<int, FrameReader> readers_;
  std::unordered_map<std::string, std::pair<std::size_t, bool>> streams_;
};

// The model server alone: one request after the other on each connection.
class ModelAlone final : public Run {
 public:
  ModelAlone(std::uint16_t port, std::size_t connections, double rate, double seconds)
      : Run(rate, seconds), port_(port), connections_(connections) {
    for (std::size_t i = 0; i < connections; ++i) {
      fds_.push_back(connect_client(port));
      add(fds_.back());
    }
  }
  ~ModelAlone() override {
    for (const int fd : fds_) close(fd);
  }

 private:
  void ask(std::size_t question) override {
    const int fd = fds_[question % connections_];
    questions_[fd] = question;
    const std::string body(2000, 'x');  // about as long as a prompt
    send_all(fd,
             fmt::format(
                 "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost:{}\r\nContent-Length: {}\r\n\r\n{}",
                 port_, body.size(), body));
  }
  void on_bytes(int fd, std::string_view bytes) override {
    if (bytes.find("The") != std::string_view::npos) mark(questions_[fd], kToken);
    if (bytes.find("[DONE]") != std::string_view::npos) mark(questions_[fd], kDone);
  }

  std::uint16_t port_;
  std::size_t connections_;
  std::vector<int> fds_;
  std::unordered_map<int, std::size_t> questions_;
};

void report(std::string_view name, const Figures& figures) {
  fmt::print("  {:<14} p50 {:7.2f} ms   p90 {:7.2f} ms   p99 {:7.2f} ms\n", name,
             quantile(figures.ms[kToken], 0.5), quantile(figures.ms[kToken], 0.9),
             quantile(figures.ms[kToken], 0.99));
}

double highest_rate(std::uint16_t port, std::size_t connections, double from) {
  constexpr double kSeconds = 4;
  const auto good = [&](double rate) {
    const Figures figures = ThroughTheFleet(port, connections, rate, kSeconds).measure();
    const double p99 = quantile(figures.ms[kToken], 0.99);
    fmt::print("  {:6.0f} questions/s: p50 {:7.2f} ms, p99 {:7.2f} ms{}\n", rate,
               quantile(figures.ms[kToken], 0.5), p99,
               figures.answered() ? "" : ", not all answered in time");
    return figures.answered() && p99 <= kHighestP99Ms;
  };
  double low = 0;
  double high = from;
  while (good(high)) {
    low = high;
    high *= 2;
  }
  for (int step = 0; step < 3 && low > 0; ++step) {
    const double middle = (low + high) / 2;
    (good(middle) ? low : high) = middle;
  }
  return low;
}

}  // namespace

int main(int argc, char** argv) {
  const double rate = argc > 1 ? std::strtod(argv[1], nullptr) : 100;
  const double seconds = argc > 2 ? std::strtod(argv[2], nullptr) : 10;
  const std::size_t connections = argc > 3 ? std::strtoul(argv[3], nullptr, 10) : 32;
  raise_limits();
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const Server model = start(serve_instant_model, kAnyCore);
  {
    const Fleet fleet(model.port, argc > 4 ? argv[4] : "");
    fleet.ingest("book.txt", book(100));
    static_cast<void>(ThroughTheFleet(fleet.port(), connections, rate, 2).measure());  // warms caches up
    const Figures floor = ModelAlone(model.port, connections, rate, seconds).measure();
    const double cpu_before = fleet.cpu_seconds();
    const Figures ours = ThroughTheFleet(fleet.port(), connections, rate, seconds).measure();
    const double cpu = (fleet.cpu_seconds() - cpu_before) / static_cast<double>(ours.asked);
    fmt::print("first token of {} questions, {:.0f} a second, instant model\n", ours.asked, rate);
    report("model (floor)", floor);
    report("Answermill", ours);
    const auto middle = [&ours](Mark mark) { return quantile(ours.ms[mark], 0.5); };
    fmt::print("  overhead p50 {:.2f} ms, p99 {:.2f} ms; aims 2 and 10\n",
               middle(kToken) - quantile(floor.ms[kToken], 0.5),
               quantile(ours.ms[kToken], 0.99) - quantile(floor.ms[kToken], 0.99));
    for (std::size_t mark = 0; mark < kMarks; ++mark)
      fmt::print("    p50 until {:<12} {:6.2f} ms\n", kNames.at(mark), middle(static_cast<Mark>(mark)));
    fmt::print(
        "  CPU of the fleet {:.2f} ms per question; generator late by {:.2f} ms at most (floor {:.2f})\n",
        cpu * 1000, ours.late_ms, floor.late_ms);
    fmt::print("  highest rate with p99 <= {:.0f} ms: {:.0f} questions/s\n", kHighestP99Ms,
               highest_rate(fleet.port(), connections, rate));
  }
  stop(model);
  return 0;
}
