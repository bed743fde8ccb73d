// What load generators share: sockets of many clients, WebSocket frames on them, children and their costs.
//
// Errors: a bench that cannot go on says why and exits. Thread: none of it is shared.
#pragma once

#include <netinet/in.h>
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace answermill::bench {

using Clock = std::chrono::steady_clock;

void check(bool ok, const char* what);
// As many descriptors as the system allows; SIGPIPE ignored. Returns how many there are.
std::size_t raise_limits();
constexpr unsigned kAnyCore = 1000;
void pin(unsigned core);
double seconds_since(Clock::time_point begin);

sockaddr_in loopback(std::uint16_t port);
// Blocking, without Nagle. `local` chooses the client's own address 127.0.0.(1 + local), so that more
// connections are possible than one address has ports.
int connect_client(std::uint16_t port, unsigned local = 0);
void make_nonblocking(int fd);
void send_all(int fd, std::string_view bytes);
// Upgrades a blocking connection; reads the answer's head and nothing behind it.
void upgrade(int fd, std::uint16_t port, std::string_view target, std::string_view headers = {});
// One HTTP request on a connection of its own: the answer's body.
std::string fetch(std::uint16_t port, std::string_view request_line, std::string_view body = {},
                  std::string_view headers = {});

// A client's text frame; the mask is zero.
std::string masked_text(std::string_view payload);

// The frames of a server, out of bytes cut anywhere.
class FrameReader {
 public:
  // Calls `frame` with each complete frame's opcode and payload.
  template <class Frame>
  void feed(std::string_view bytes, const Frame& frame) {
    buffer_.append(bytes);
    std::size_t at = 0;
    while (const std::size_t size = whole_frame(at)) {
      const std::size_t head = head_size(at);
      frame(buffer_[at] & 0x0F, std::string_view(buffer_).substr(at + head, size - head));
      at += size;
    }
    buffer_.erase(0, at);
  }

 private:
  std::size_t head_size(std::size_t at) const;
  std::size_t whole_frame(std::size_t at) const;  // 0: not all of it is here

  std::string buffer_;
};

// User and system time of a process and its children so far.
double cpu_seconds(pid_t pid);
// Resident memory of a process and its children, in bytes; what they share among them counts once.
double memory_bytes(pid_t pid);

// A server under test: a child that tells its port.
struct Server {
  pid_t pid = -1;
  std::uint16_t port = 0;  // 0: it is not to be had here
};
// Runs `serve` in a child on `core`; it writes its port as two bytes to the descriptor it is given.
Server start(const std::function<void(int)>& serve, unsigned core);
void stop(const Server& server);
// For start(): a program that writes its port to the descriptor named by its last argument.
std::function<void(int)> program(std::vector<std::string> command);
void report_port(int pipe, std::uint16_t port);

// Of sorted or unsorted values; 0 without any.
double quantile(std::vector<double> values, double q);

}  // namespace answermill::bench
