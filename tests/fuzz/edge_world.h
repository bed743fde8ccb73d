// The edge behind its acceptor for fuzzers, and one raw connection at a time to it, on one thread.
//
// The connection is a pair of local sockets: what is sent is there at once, so polling the loop until nothing
// happens is a whole turn. A connection that the edge does not let go of is a finding.
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "frontend/server/edge/http_protocol.h"
#include "frontend/server/edge/peer.h"

namespace answermill::fuzz {

inline void insist(bool right, const char* what) {
  if (right) return;
  std::fprintf(stderr, "not so: %s\n", what);
  std::abort();
}

class Echo final : public frontend::WebSocketSession {
 public:
  explicit Echo(std::shared_ptr<frontend::WebSocket> socket) : socket_(std::move(socket)) {}
  void on_open() override {}
  void on_text(std::string_view message) override { socket_->send_text(message); }
  void on_binary(std::string_view message) override { socket_->send_binary(message); }
  void on_drain() override {}
  void on_close(std::uint16_t) override {}

 private:
  std::shared_ptr<frontend::WebSocket> socket_;
};

class Swallow final : public frontend::BodySink {
 public:
  explicit Swallow(frontend::ResponderPtr responder) : responder_(std::move(responder)) {}
  void on_data(std::string_view bytes, std::function<void()> ready) override {
    size_ += bytes.size();
    ready();
  }
  void on_end() override { responder_->send(200, "text/plain", std::to_string(size_)); }
  void on_abort() override {}

 private:
  frontend::ResponderPtr responder_;
  std::size_t size_ = 0;
};

class EdgeWorld {
 public:
  EdgeWorld() {
    frontend::EdgeConfig config;
    config.limits.header_bytes = 4096;
    config.limits.body_bytes = 16 * 1024;
    config.limits.websocket_message_bytes = 8192;
    config.websocket_compression = true;
    context_ = std::make_shared<frontend::EdgeContext>(io_, config);
    frontend::Router& router = context_->routes;
    router.route("POST", "/echo", [](frontend::Request request, frontend::ResponderPtr responder) {
      responder->send(200, "text/plain", request.body);
    });
    router.route("GET", "/things/{id}", [](frontend::Request request, frontend::ResponderPtr responder) {
      const auto stream = responder->stream(200, "text/plain");
      stream->write(request.captures.at(0) + request.query_value("q").value_or("-"));
      stream->end();
    });
    router.upload("POST", "/up", [](const frontend::Request&, frontend::ResponderPtr responder) {
      return std::make_unique<Swallow>(std::move(responder));
    });
    router.websocket("/ws", {"v1"},
                     [](const frontend::Request&, std::shared_ptr<frontend::WebSocket> socket,
                        frontend::Refusal&) { return std::make_unique<Echo>(std::move(socket)); });
  }

  void connect() {
    output_.clear();
    ended_ = false;
    std::array<int, 2> ends{};
    insist(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) == 0,
           "socketpair");
    fd_ = ends[0];
    boost::asio::ip::tcp::socket socket(io_);
    socket.assign(boost::asio::ip::tcp::v4(), ends[1]);
    frontend::ListenScope scope;
    scope.loopback = true;
    auto peer = std::make_shared<frontend::Peer>(context_, std::move(socket), scope, "127.0.0.1");
    context_->peers.emplace(peer.get(), peer);
    peer->start(std::make_unique<frontend::HttpProtocol>(*peer));
    turn();
  }

  void send(std::string_view bytes) {
    while (!bytes.empty() && !ended_) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent > 0) {
        bytes.remove_prefix(static_cast<std::size_t>(sent));
      } else if (errno != EAGAIN) {
        ended_ = true;
      }
      turn();
    }
  }

  void half_close() {
    ::shutdown(fd_, SHUT_WR);
    turn();
  }

  // Everything the edge said on this connection.
  const std::string& output() const { return output_; }
  bool ended() const { return ended_; }

  void disconnect() {
    ::close(fd_);
    while (io_.poll() > 0) {
    }
    insist(context_->peers.empty(), "the edge lets go of a connection that its client has closed");
  }

 private:
  void turn() {
    while (io_.poll() > 0) {
    }
    std::array<char, 16384> buffer{};
    while (true) {
      const ssize_t got = ::recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (got > 0) {
        output_.append(buffer.data(), static_cast<std::size_t>(got));
        while (io_.poll() > 0) {
        }
        continue;
      }
      ended_ = ended_ || got == 0 || (errno != EAGAIN && errno != EINTR);
      return;
    }
  }

  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> busy_{io_.get_executor()};
  std::shared_ptr<frontend::EdgeContext> context_;
  int fd_ = -1;
  std::string output_;
  bool ended_ = false;
};

// One for the whole run.
inline EdgeWorld& edge_world() {
  static EdgeWorld world;
  return world;
}

}  // namespace answermill::fuzz
