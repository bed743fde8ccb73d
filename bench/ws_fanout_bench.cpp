// One publisher to many WebSocket clients: deliveries per second of the edge, beside a raw epoll fan-out (the
// floor) and Node's `ws` (a peer), measured in the same run with the same load generator.
//
//   ws_fanout_bench [clients=1000] [seconds=2] [rounds=3] [node script=bench/ws_fanout_peer.mjs]
//
// Every server runs in a process of its own on core 0, the load on core 1. The publisher is a client too: it
// sends a message, the server sends it to all, and the next goes out when fewer than `window` messages are
// under way. On a machine that does other work too, deliveries per second of the server's own CPU time are
// the steadier figure.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "frontend/server/edge/server.h"

namespace {

using namespace answermill::frontend;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kPayload = 300;
constexpr std::size_t kFrame = kPayload + 4;        // unmasked, as servers send
constexpr std::size_t kMaskedFrame = kPayload + 8;  // as the publisher sends
constexpr std::size_t kReadBytes = 256 * 1024;

void check(bool ok, const char* what) {
  if (ok) return;
  std::perror(what);
  std::exit(1);
}

void pin(unsigned core) {
  if (sysconf(_SC_NPROCESSORS_ONLN) < 2) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  sched_setaffinity(0, sizeof(set), &set);
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// ---- the servers
// ----------------------------------------------------------------------------------------------------

class FanOutSession final : public WebSocketSession {
 public:
  FanOutSession(std::unordered_set<WebSocket*>& all, std::shared_ptr<WebSocket> socket)
      : all_(all), socket_(std::move(socket)) {}
  ~FanOutSession() override { all_.erase(socket_.get()); }
  void on_open() override {
    if (socket_->request().query != "publisher") all_.insert(socket_.get());
  }
  void on_text(std::string_view message) override {
    for (WebSocket* socket : all_) socket->send_text(message);
  }
  void on_binary(std::string_view) override {}
  void on_drain() override {}
  void on_close(std::uint16_t) override { all_.erase(socket_.get()); }

 private:
  std::unordered_set<WebSocket*>& all_;
  std::shared_ptr<WebSocket> socket_;
};

void report_port(int pipe, std::uint16_t port) {
  check(write(pipe, &port, sizeof(port)) == sizeof(port), "report the port");
}

void serve_edge(int pipe) {
  boost::asio::io_context io(1);
  std::unordered_set<WebSocket*> all;
  EdgeConfig config;
  config.listen = {"127.0.0.1:0"};
  EdgeServer server(io, config);
  server.router().websocket("/ws", {}, [&all](const Request&, std::shared_ptr<WebSocket> socket, Refusal&) {
    return std::make_unique<FanOutSession>(all, std::move(socket));
  });
  const auto ports = server.listen();
  check(ports.has_value(), "listen");
  report_port(pipe, ports->front());
  io.run();
}

// What remains when nothing is checked: one prepared buffer, one send per client and turn.
void serve_floor(int pipe) {
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = loopback(0);
  socklen_t length = sizeof(address);
  check(bind(listener, reinterpret_cast<sockaddr*>(&address), length) == 0 && ::listen(listener, 4096) == 0,
        "listen");
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length);
  report_port(pipe, ntohs(address.sin_port));
  const int poll = epoll_create1(0);
  epoll_event event{EPOLLIN, {.fd = listener}};
  epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
  std::vector<int> subscribers;
  std::vector<char> buffer(kReadBytes);
  std::array<epoll_event, 256> events{};
  std::size_t partial = 0;
  const std::string answer =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: "
      "Upgrade\r\nSec-WebSocket-Accept: "
      "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
  while (true) {
    const int count = epoll_wait(poll, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (fd == listener) {
        event.data.fd = accept(listener, nullptr, nullptr);
        const int on = 1;
        setsockopt(event.data.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        epoll_ctl(poll, EPOLL_CTL_ADD, event.data.fd, &event);
        continue;
      }
      const ssize_t got = recv(fd, buffer.data(), buffer.size(), 0);
      if (got <= 0) {
        epoll_ctl(poll, EPOLL_CTL_DEL, fd, nullptr);
        continue;
      }
      if (buffer[0] == 'G') {
        static_cast<void>(send(fd, answer.data(), answer.size(), MSG_NOSIGNAL));
        if (std::string_view(buffer.data(), 40).find("publisher") == std::string_view::npos)
          subscribers.push_back(fd);
        continue;
      }
      partial += static_cast<std::size_t>(got);
      std::string frames;
      for (; partial >= kMaskedFrame; partial -= kMaskedFrame) {
        frames += std::string("\x81\x7e\x01\x2c", 4) + std::string(kPayload, 'm');
      }
      for (const int to : subscribers)
        static_cast<void>(send(to, frames.data(), frames.size(), MSG_NOSIGNAL));
    }
  }
}

// ---- the load
// -------------------------------------------------------------------------------------------------------

int connect_client(std::uint16_t port, std::string_view target) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in address = loopback(port);
  check(fd >= 0 && connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0, "connect");
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  const std::string request = fmt::format(
      "GET {} HTTP/1.1\r\nHost: localhost:{}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
      target, port);
  check(send(fd, request.data(), request.size(), 0) == static_cast<ssize_t>(request.size()), "send");
  std::string answer;
  while (answer.find("\r\n\r\n") == std::string::npos) {
    char byte = 0;
    check(recv(fd, &byte, 1, 0) == 1, "handshake");
    answer.push_back(byte);
  }
  check(answer.find(" 101 ") != std::string::npos, "upgrade");
  return fd;
}

std::string masked_message() {
  std::string frame("\x81\xfe\x01\x2c", 4);
  return frame + std::string(4, '\0') + std::string(kPayload, 'm');
}

// User and system time of a process so far (proc(5), fields 14 and 15).
double cpu_seconds(pid_t pid) {
  std::ifstream in(fmt::format("/proc/{}/stat", pid));
  std::string line;
  std::getline(in, line);
  std::istringstream fields(line.substr(std::min(line.rfind(')') + 2, line.size())));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  double user = 0;
  double system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

struct Server {
  pid_t pid = -1;
  std::uint16_t port = 0;
};

struct Figures {
  double per_second = 0;
  double per_cpu_second = 0;
};

// Deliveries to `clients` subscribers.
Figures measure(const Server& server, std::size_t clients, std::size_t window, double seconds) {
  const int poll = epoll_create1(0);
  std::vector<int> sockets;
  for (std::size_t i = 0; i < clients; ++i) {
    epoll_event event{EPOLLIN, {.fd = connect_client(server.port, "/ws")}};
    sockets.push_back(event.data.fd);
    epoll_ctl(poll, EPOLL_CTL_ADD, event.data.fd, &event);
  }
  const int publisher = connect_client(server.port, "/ws?publisher");
  const std::string message = masked_message();
  std::vector<char> buffer(kReadBytes);
  std::array<epoll_event, 256> events{};
  std::size_t published = 0;
  std::size_t received = 0;
  const auto start = Clock::now();
  const auto warm = start + std::chrono::milliseconds(300);
  const auto end = warm + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  std::size_t at_warm = 0;
  double cpu_at_warm = 0;
  auto begun = start;
  while (true) {
    const auto now = Clock::now();
    if (begun == start && now >= warm) {
      begun = now;
      at_warm = received;
      cpu_at_warm = cpu_seconds(server.pid);
    }
    if (now >= end) break;
    const std::size_t delivered = received / (kFrame * clients);
    std::string batch;
    for (; published < delivered + window; ++published) batch += message;
    if (!batch.empty()) check(send(publisher, batch.data(), batch.size(), 0) > 0, "publish");
    const int count = epoll_wait(poll, events.data(), static_cast<int>(events.size()), 1000);
    for (int i = 0; i < count; ++i) {
      const ssize_t got =
          recv(events[static_cast<std::size_t>(i)].data.fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
      check(got > 0 || errno == EAGAIN, "receive");
      if (got > 0) received += static_cast<std::size_t>(got);
    }
  }
  const double took = std::chrono::duration<double>(Clock::now() - begun).count();
  const double cpu = std::max(cpu_seconds(server.pid) - cpu_at_warm, 0.01);
  for (const int fd : sockets) close(fd);
  close(publisher);
  close(poll);
  const double deliveries = static_cast<double>(received - at_warm) / kFrame;
  return {deliveries / took, deliveries / cpu};
}

Server start(const std::function<void(int)>& serve) {
  std::array<int, 2> pipe_ends{};
  check(pipe(pipe_ends.data()) == 0, "pipe");
  Server server;
  server.pid = fork();
  if (server.pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(pipe_ends[0]);
    pin(0);
    serve(pipe_ends[1]);
    _exit(0);
  }
  close(pipe_ends[1]);
  if (read(pipe_ends[0], &server.port, sizeof(server.port)) != sizeof(server.port)) server.port = 0;
  close(pipe_ends[0]);
  return server;
}

void stop(const Server& server) {
  kill(server.pid, SIGKILL);
  waitpid(server.pid, nullptr, 0);
}

std::function<void(int)> node_server(const std::string& script) {
  return [script](int pipe) {
    // The script writes its port as two bytes to the descriptor it is told.
    execlp("node", "node", script.c_str(), fmt::to_string(pipe).c_str(), nullptr);
  };
}

Figures median(std::vector<Figures> all) {
  const auto middle = [&all](double Figures::*field) {
    std::sort(all.begin(), all.end(),
              [field](const Figures& a, const Figures& b) { return a.*field < b.*field; });
    return all[all.size() / 2].*field;
  };
  return {middle(&Figures::per_second), middle(&Figures::per_cpu_second)};
}

struct Subject {
  std::string name;
  std::function<void(int)> serve;
  std::vector<Figures> rounds;
};

void report(const std::vector<Subject>& subjects) {
  const Figures floor = median(subjects[0].rounds);
  for (const auto& subject : subjects) {
    if (subject.rounds.empty()) {
      fmt::print("  {:<10} not available (needs node, and `npm ci` in tests/)\n", subject.name);
      continue;
    }
    const Figures figure = median(subject.rounds);
    fmt::print("  {:<10} {:>10.0f} deliveries/s ({:.2f} of the floor) {:>10.0f} per CPU second ({:.2f})\n",
               subject.name, figure.per_second, figure.per_second / floor.per_second, figure.per_cpu_second,
               figure.per_cpu_second / floor.per_cpu_second);
  }
  if (subjects[2].rounds.empty()) return;
  const Figures ours = median(subjects[1].rounds);
  const Figures node = median(subjects[2].rounds);
  fmt::print("  edge / node ws: {:.1f}, per CPU second {:.1f}\n", ours.per_second / node.per_second,
             ours.per_cpu_second / node.per_cpu_second);
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t clients = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 1000;
  const double seconds = argc > 2 ? std::strtod(argv[2], nullptr) : 2.0;
  const int rounds = argc > 3 ? std::atoi(argv[3]) : 3;
  const std::string script = argc > 4 ? argv[4] : "bench/ws_fanout_peer.mjs";
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  signal(SIGPIPE, SIG_IGN);
  pin(1);

  for (const std::size_t window : {std::size_t{1}, std::size_t{16}}) {
    std::vector<Subject> subjects = {
        {"raw epoll", serve_floor, {}}, {"edge", serve_edge, {}}, {"node ws", node_server(script), {}}};
    // Rounds take turns, so that a busy machine is unfair to all alike.
    for (int round = 0; round < rounds; ++round) {
      for (auto& subject : subjects) {
        const Server server = start(subject.serve);
        if (server.port != 0) subject.rounds.push_back(measure(server, clients, window, seconds));
        stop(server);
      }
    }
    fmt::print("{} clients, {} messages of {} bytes outstanding\n", clients, window, kPayload);
    report(subjects);
  }
  return 0;
}
