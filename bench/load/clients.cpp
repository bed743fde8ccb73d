#include "bench/load/clients.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace answermill::bench {

void check(bool ok, const char* what) {
  if (ok) return;
  std::perror(what);
  std::exit(1);
}

std::size_t raise_limits() {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  // The superuser may have more.
  std::ifstream most("/proc/sys/fs/nr_open");
  rlimit more{};
  if (most >> more.rlim_max) {
    more.rlim_cur = more.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &more) == 0) files = more;
  }
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  std::signal(SIGPIPE, SIG_IGN);
  return files.rlim_cur;
}

void pin(unsigned core) {
  if (core == kAnyCore || sysconf(_SC_NPROCESSORS_ONLN) < 2) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  sched_setaffinity(0, sizeof(set), &set);
}

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int connect_client(std::uint16_t port, unsigned local) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  check(fd >= 0, "socket");
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (local > 0) {
    // The port is chosen at connect(), where the other end is known: ports of one address are then reused.
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    sockaddr_in own = loopback(0);
    own.sin_addr.s_addr = htonl(INADDR_LOOPBACK + local);
    check(bind(fd, reinterpret_cast<const sockaddr*>(&own), sizeof own) == 0, "bind");
  }
  const sockaddr_in address = loopback(port);
  check(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0, "connect");
  return fd;
}

void make_nonblocking(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

void send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    check(sent > 0, "send");
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

void upgrade(int fd, std::uint16_t port, std::string_view target, std::string_view headers) {
  send_all(
      fd, fmt::format("GET {} HTTP/1.1\r\nHost: localhost:{}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{}\r\n",
                      target, port, headers));
  std::string answer;
  while (answer.find("\r\n\r\n") == std::string::npos) {
    char byte = 0;
    check(recv(fd, &byte, 1, 0) == 1, "handshake");
    answer.push_back(byte);
  }
  if (answer.find(" 101 ") != std::string::npos) return;
  fmt::print(stderr, "the upgrade was refused: {}\n", answer.substr(0, answer.find('\r')));
  std::exit(1);
}

std::string fetch(std::uint16_t port, std::string_view request_line, std::string_view body,
                  std::string_view headers) {
  const int fd = connect_client(port);
  send_all(fd, fmt::format(
                   "{} HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\n{}Content-Length: {}\r\n\r\n{}",
                   request_line, port, headers, body.size(), body));
  std::string answer;
  std::array<char, 65536> buffer{};
  for (ssize_t got = 0; (got = recv(fd, buffer.data(), buffer.size(), 0)) > 0;)
    answer.append(buffer.data(), static_cast<std::size_t>(got));
  close(fd);
  const std::size_t head = answer.find("\r\n\r\n");
  return head == std::string::npos ? std::string() : answer.substr(head + 4);
}

std::string masked_text(std::string_view payload) {
  std::string frame("\x81", 1);
  if (payload.size() < 126) {
    frame.push_back(static_cast<char>(0x80 | payload.size()));
  } else {
    check(payload.size() < 65536, "a frame of less than 64 KB");
    frame.push_back(static_cast<char>(0x80 | 126));
    frame.push_back(static_cast<char>(payload.size() >> 8));
    frame.push_back(static_cast<char>(payload.size() & 0xFF));
  }
  frame.append(4, '\0').append(payload);
  return frame;
}

std::size_t FrameReader::head_size(std::size_t at) const {
  const int length = buffer_[at + 1] & 0x7F;
  return length == 127 ? 10 : length == 126 ? 4 : 2;
}

std::size_t FrameReader::whole_frame(std::size_t at) const {
  if (buffer_.size() < at + 2) return 0;
  const std::size_t head = head_size(at);
  if (buffer_.size() < at + head) return 0;
  std::size_t length = buffer_[at + 1] & 0x7F;
  if (head > 2) {
    length = 0;
    for (std::size_t i = at + 2; i < at + head; ++i)
      length = length * 256 + static_cast<unsigned char>(buffer_[i]);
  }
  return buffer_.size() < at + head + length ? 0 : head + length;
}

// proc(5), fields 14 and 15 of stat.
double cpu_seconds(pid_t pid) {
  double children_too = 0;
  std::ifstream children(fmt::format("/proc/{0}/task/{0}/children", pid));
  for (pid_t child = 0; children >> child;) children_too += cpu_seconds(child);
  std::ifstream in(fmt::format("/proc/{}/stat", pid));
  std::string line;
  std::getline(in, line);
  std::istringstream fields(line.substr(std::min(line.rfind(')') + 2, line.size())));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  double user = 0;
  double system = 0;
  fields >> user >> system;
  return children_too + (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

// proc(5): the proportional set size.
double memory_bytes(pid_t pid) {
  std::ifstream in(fmt::format("/proc/{}/smaps_rollup", pid));
  double total = 0;
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("Pss:", 0) != 0) continue;
    std::istringstream fields(line.substr(4));
    double kilobytes = 0;
    fields >> kilobytes;
    total = kilobytes * 1024;
  }
  std::ifstream children(fmt::format("/proc/{0}/task/{0}/children", pid));
  for (pid_t child = 0; children >> child;) total += memory_bytes(child);
  return total;
}

Server start(const std::function<void(int)>& serve, unsigned core) {
  std::array<int, 2> ends{};
  check(pipe(ends.data()) == 0, "pipe");
  Server server;
  server.pid = fork();
  if (server.pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(ends[0]);
    pin(core);
    serve(ends[1]);
    _exit(0);
  }
  close(ends[1]);
  if (read(ends[0], &server.port, sizeof server.port) != sizeof server.port) server.port = 0;
  close(ends[0]);
  return server;
}

void stop(const Server& server) {
  kill(server.pid, SIGKILL);
  waitpid(server.pid, nullptr, 0);
}

std::function<void(int)> program(std::vector<std::string> command) {
  return [command = std::move(command)](int pipe) mutable {
    command.push_back(fmt::to_string(pipe));
    std::vector<char*> words;
    for (auto& word : command) words.push_back(word.data());
    words.push_back(nullptr);
    execvp(words[0], words.data());
  };
}

void report_port(int pipe, std::uint16_t port) {
  check(write(pipe, &port, sizeof port) == sizeof port, "report the port");
}

double quantile(std::vector<double> values, double q) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1,
                         static_cast<std::size_t>(static_cast<double>(values.size()) * q))];
}

}  // namespace answermill::bench
