#include "bench/load/ws_servers.h"

#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <utility>
#include <vector>

#include "frontend/server/edge/server.h"

namespace answermill::bench {
namespace {

using namespace frontend;

class FanOutSession final : public WebSocketSession {
 public:
  FanOutSession(std::vector<WebSocket*>& all, std::shared_ptr<WebSocket> socket, bool subscribes)
      : all_(all), socket_(std::move(socket)), subscribes_(subscribes) {}
  ~FanOutSession() override { leave(); }
  void on_open() override {
    if (subscribes_) all_.push_back(socket_.get());
  }
  void on_text(std::string_view message) override {
    for (WebSocket* socket : all_) socket->send_text(message);
  }
  void on_binary(std::string_view) override {}
  void on_drain() override {}
  void on_close(std::uint16_t) override { leave(); }

 private:
  void leave() { all_.erase(std::remove(all_.begin(), all_.end(), socket_.get()), all_.end()); }

  std::vector<WebSocket*>& all_;
  std::shared_ptr<WebSocket> socket_;
  bool subscribes_;
};

void serve_edge(int pipe) {
  boost::asio::io_context io(1);
  std::vector<WebSocket*> all;
  EdgeConfig config;
  config.listen = {"127.0.0.1:0"};
  config.limits.connections = 100'000;
  EdgeServer server(io, config);
  server.router().websocket("/ws", {},
                            [&all](const Request& request, std::shared_ptr<WebSocket> socket, Refusal&) {
                              const bool subscribes = request.query != "publisher";
                              return std::make_unique<FanOutSession>(all, std::move(socket), subscribes);
                            });
  const auto ports = server.listen();
  check(ports.has_value(), "listen");
  report_port(pipe, ports->front());
  io.run();
}

int listen_anywhere(int pipe) {
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = loopback(0);
  socklen_t length = sizeof address;
  check(bind(listener, reinterpret_cast<sockaddr*>(&address), length) == 0 && ::listen(listener, 4096) == 0,
        "listen");
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length);
  report_port(pipe, ntohs(address.sin_port));
  return listener;
}

// Masked frames in, the same unmasked out; the mask is zero and no frame is longer than 64 KB.
std::string unmasked(std::string& input) {
  std::string out;
  std::size_t at = 0;
  while (input.size() >= at + 8) {
    const std::size_t size =
        static_cast<unsigned char>(input[at + 2]) * 256U + static_cast<unsigned char>(input[at + 3]);
    if (input.size() < at + 8 + size) break;
    out += {input[at], static_cast<char>(input[at + 1] & 0x7F), input[at + 2], input[at + 3]};
    out.append(input, at + 8, size);
    at += 8 + size;
  }
  input.erase(0, at);
  return out;
}

void serve_epoll(int pipe) {
  const int listener = listen_anywhere(pipe);
  const int poll = epoll_create1(0);
  epoll_event event{EPOLLIN, {.fd = listener}};
  epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
  std::vector<int> subscribers;
  std::vector<char> buffer(256 * 1024);
  std::array<epoll_event, 256> events{};
  std::string input;
  const std::string answer =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
  while (true) {
    const int count = epoll_wait(poll, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (fd == listener) {
        event.data.fd = accept(listener, nullptr, nullptr);
        const int on = 1;
        setsockopt(event.data.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        epoll_ctl(poll, EPOLL_CTL_ADD, event.data.fd, &event);
        continue;
      }
      const ssize_t got = recv(fd, buffer.data(), buffer.size(), 0);
      if (got <= 0) {
        epoll_ctl(poll, EPOLL_CTL_DEL, fd, nullptr);
        continue;
      }
      const std::string_view bytes(buffer.data(), static_cast<std::size_t>(got));
      if (bytes.front() == 'G') {
        static_cast<void>(send(fd, answer.data(), answer.size(), MSG_NOSIGNAL));
        if (bytes.substr(0, 40).find("publisher") == std::string_view::npos) subscribers.push_back(fd);
        continue;
      }
      const std::string frames = unmasked(input.append(bytes));
      for (const int to : subscribers)
        static_cast<void>(send(to, frames.data(), frames.size(), MSG_NOSIGNAL));
    }
  }
}

// nginx cannot tell its port: one is chosen for it. Without a master process there is one process to measure.
void serve_nginx(int pipe) {
  const int probe = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = loopback(0);
  socklen_t length = sizeof address;
  check(bind(probe, reinterpret_cast<sockaddr*>(&address), length) == 0, "bind");
  getsockname(probe, reinterpret_cast<sockaddr*>(&address), &length);
  close(probe);
  const std::uint16_t port = ntohs(address.sin_port);
  std::string folder = (std::filesystem::temp_directory_path() / "am-nginx-XXXXXX").string();
  check(mkdtemp(folder.data()) != nullptr, "a temporary folder");
  std::ofstream(folder + "/nginx.conf") << fmt::format(
      "load_module /usr/lib/nginx/modules/ngx_nchan_module.so;\n"
      "daemon off; master_process off; user root; pid {0}/pid; error_log {0}/log crit;\n"
      "worker_rlimit_nofile 200000; events {{ worker_connections 100000; }}\n"
      "http {{ access_log off; nchan_shared_memory_size 512M; server {{ listen 127.0.0.1:{1} backlog=4096;\n"
      "location /sub {{ nchan_subscriber websocket; nchan_channel_id c; nchan_subscriber_first_message "
      "newest; }}\n"
      "location /pub {{ nchan_publisher websocket; nchan_channel_id c; nchan_message_buffer_length 64; }} }} "
      "}}\n",
      folder, port);
  const pid_t server = ::fork();
  if (server == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execlp("nginx", "nginx", "-p", folder.c_str(), "-c", (folder + "/nginx.conf").c_str(), "-e",
           (folder + "/log").c_str(), nullptr);
    _exit(127);
  }
  const int client = ::socket(AF_INET, SOCK_STREAM, 0);
  address = loopback(port);
  bool up = false;  // the last thing it does in its folder is to write its number there
  for (int i = 0; i < 300 && !up; ++i) {
    up = std::filesystem::exists(folder + "/pid") &&
         connect(client, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    if (!up) usleep(10'000);
  }
  close(client);
  std::error_code ignored;
  std::filesystem::remove_all(folder,
                              ignored);  // it has read and opened all it needs; this child ends by SIGKILL
  if (up) report_port(pipe, port);
  if (!up) kill(server, SIGKILL);
  close(pipe);
  while (true) pause();
}

std::string here(const std::string& file) { return ANSWERMILL_SOURCE_DIR "/bench/" + file; }

}  // namespace

Subject edge_subject() { return {"edge", serve_edge, "/ws", "/ws?publisher", ""}; }
Subject epoll_subject() { return {"raw epoll", serve_epoll, "/ws", "/ws?publisher", ""}; }
Subject node_subject() {
  return {"node ws", program({"node", here("ws_fanout_peer.mjs")}), "/ws", "/ws?publisher",
          "node, and `npm ci` in tests/"};
}
Subject python_subject() {
  return {"websockets", program({"/usr/bin/python3", here("ws_fanout_peer.py")}), "/ws", "/ws?publisher",
          "python3-websockets"};
}
Subject nchan_subject() { return {"nchan", serve_nginx, "/sub", "/pub", "nginx-light libnginx-mod-nchan"}; }

}  // namespace answermill::bench
