// A tiny HTTP server for tests: each accepted connection is handed to a script of the test, on a thread of
// its own.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "shared/base/unix_fd.h"

namespace answermill::http {

class Connection {
 public:
  explicit Connection(UniqueFd fd) : fd_(std::move(fd)) {}

  // Headers and as much body as Content-Length says; empty when the peer closed.
  std::string read_request() {
    std::string text;
    std::size_t wanted = std::string::npos;
    char buffer[65536];
    while (text.size() < wanted) {
      const ssize_t got = recv(fd_.get(), buffer, sizeof buffer, 0);
      if (got <= 0) return {};
      text.append(buffer, static_cast<std::size_t>(got));
      const std::size_t head = text.find("\r\n\r\n");
      if (head == std::string::npos || wanted != std::string::npos) continue;
      const std::size_t length = text.find("Content-Length: ");
      wanted = head + 4 + (length < head ? std::stoul(text.substr(length + 16)) : 0);
    }
    return text;
  }
  void write(std::string_view bytes) { (void)!send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL); }
  // Blocks until the peer closes.
  void wait_for_close() {
    char byte = 0;
    while (recv(fd_.get(), &byte, 1, 0) > 0) {
    }
  }

 private:
  UniqueFd fd_;
};

class LocalServer {
 public:
  explicit LocalServer(std::function<void(Connection&)> script) : script_(std::move(script)) {
    listener_ = UniqueFd(socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
    listen(listener_.get(), 64);
    socklen_t size = sizeof address;
    getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    url_ = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    thread_ = std::thread([this] { accept_all(); });
  }
  ~LocalServer() {
    shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }

  const std::string& url() const { return url_; }

 private:
  void accept_all() {
    std::vector<std::thread> scripts;
    while (true) {
      UniqueFd fd(accept(listener_.get(), nullptr, nullptr));
      if (!fd) break;
      scripts.emplace_back([this, connection = Connection(std::move(fd))]() mutable { script_(connection); });
    }
    for (auto& script : scripts) script.join();
  }

  std::function<void(Connection&)> script_;
  UniqueFd listener_;
  std::string url_;
  std::thread thread_;
};

}  // namespace answermill::http
