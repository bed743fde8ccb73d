// An HTTP server for tests that answers as a script says, one request a connection, and remembers what it was
// asked.
//
// Thread: answers come from its own thread, one connection at a time unless the script returns kKeepOpen.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "shared/base/unix_fd.h"

namespace answermill::command {

struct FakeRequest {
  std::string line;  // "GET /path HTTP/1.1"
  std::string head;
  std::string body;
};

// What is sent, as it is; then the connection is closed, unless it is to stay open until the server ends.
struct FakeAnswer {
  std::string bytes;
  bool keep_open = false;
};

inline FakeAnswer json_answer(int status, const std::string& body) {
  return {"HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Type: application/json\r\nContent-Length: " +
          std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n" + body};
}

// Without a length: it ends when the connection does, which looks to the client like a broken chunked answer.
inline FakeAnswer broken_sse_answer(const std::string& events, const std::string& extra_header = "") {
  char size[32];
  std::snprintf(size, sizeof size, "%zx", events.size());
  return {"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" + extra_header +
          "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + size + "\r\n" + events + "\r\n"};
}

inline FakeAnswer sse_answer(const std::string& events, const std::string& extra_header = "") {
  FakeAnswer answer = broken_sse_answer(events, extra_header);
  answer.bytes += "0\r\n\r\n";
  return answer;
}

class FakeServer {
 public:
  using Script = std::function<FakeAnswer(const FakeRequest& request, int number)>;

  explicit FakeServer(Script script) : script_(std::move(script)) {
    listener_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size);
    ::listen(listener_.get(), 64);
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    url_ = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    thread_ = std::thread([this] {
      sigset_t all;
      ::sigfillset(&all);
      ::pthread_sigmask(SIG_BLOCK, &all, nullptr);  // a test's Ctrl-C is for the code under test
      serve();
    });
  }
  ~FakeServer() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }

  const std::string& url() const { return url_; }
  std::vector<FakeRequest> requests() {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  void serve() {
    for (int number = 0;; ++number) {
      UniqueFd connection(::accept(listener_.get(), nullptr, nullptr));
      if (!connection) return;
      FakeRequest request;
      if (!read_request(connection.get(), request)) continue;
      {
        const std::lock_guard lock(mutex_);
        requests_.push_back(request);
      }
      const FakeAnswer answer = script_(request, number);
      for (std::size_t sent = 0; sent < answer.bytes.size();) {
        const ssize_t count =
            ::send(connection.get(), answer.bytes.data() + sent, answer.bytes.size() - sent, MSG_NOSIGNAL);
        if (count <= 0) break;
        sent += static_cast<std::size_t>(count);
      }
      if (answer.keep_open) open_.push_back(std::move(connection));
    }
  }

  static bool read_request(int fd, FakeRequest& request) {
    std::string bytes;
    std::size_t end = std::string::npos;
    char buffer[4096];
    while ((end = bytes.find("\r\n\r\n")) == std::string::npos) {
      const ssize_t count = ::recv(fd, buffer, sizeof buffer, 0);
      if (count <= 0) return false;
      bytes.append(buffer, static_cast<std::size_t>(count));
    }
    request.head = bytes.substr(0, end + 2);
    request.line = bytes.substr(0, bytes.find('\r'));
    request.body = bytes.substr(end + 4);
    const std::size_t length_at = request.head.find("Content-Length: ");
    const std::size_t length =
        length_at == std::string::npos ? 0 : std::strtoul(request.head.c_str() + length_at + 16, nullptr, 10);
    while (request.body.size() < length) {
      const ssize_t count = ::recv(fd, buffer, sizeof buffer, 0);
      if (count <= 0) return false;
      request.body.append(buffer, static_cast<std::size_t>(count));
    }
    return true;
  }

  Script script_;
  UniqueFd listener_;
  std::string url_;
  std::mutex mutex_;
  std::vector<FakeRequest> requests_;  // guarded by mutex_
  std::vector<UniqueFd> open_;
  std::thread thread_;
};

}  // namespace answermill::command
