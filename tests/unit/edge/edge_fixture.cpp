#include "tests/unit/edge/edge_fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <cctype>
#include <stdexcept>
#include <utility>

namespace answermill::frontend::test {
namespace {

constexpr int kPatienceSeconds = 10;

class Scripted final : public WebSocketSession {
 public:
  Scripted(ScriptedSession script, std::shared_ptr<WebSocket> socket)
      : script_(std::move(script)), socket_(std::move(socket)) {}
  void on_open() override {
    if (script_.open) script_.open(*socket_);
  }
  void on_text(std::string_view message) override {
    if (script_.text) script_.text(*socket_, message);
  }
  void on_binary(std::string_view message) override {
    if (script_.binary) script_.binary(*socket_, message);
  }
  void on_drain() override {
    if (script_.drain) script_.drain(*socket_);
  }
  void on_close(std::uint16_t code) override {
    if (script_.close) script_.close(code);
  }

 private:
  ScriptedSession script_;
  std::shared_ptr<WebSocket> socket_;
};

}  // namespace

RunningEdge::RunningEdge(const Routes& routes, EdgeConfig config) {
  if (config.listen.empty() && config.listen_fds.empty()) config.listen = {"127.0.0.1:0"};
  server_ = std::make_unique<EdgeServer>(io_, std::move(config));
  if (routes) routes(server_->router());
  auto ports = server_->listen();
  if (!ports) throw std::runtime_error(ports.error().message);
  ports_ = *ports;
  thread_ = std::thread([this] {
    const auto guard = boost::asio::make_work_guard(io_);
    io_.run();
  });
}

RunningEdge::~RunningEdge() {
  run([this] { server_.reset(); });
  io_.stop();
  thread_.join();
}

void RunningEdge::post(std::function<void()> task) { boost::asio::post(io_, std::move(task)); }

void RunningEdge::run(std::function<void()> task) {
  std::promise<void> done;
  post([&] {
    task();
    done.set_value();
  });
  done.get_future().wait();
}

Client::Client(std::uint16_t port, std::size_t receive_buffer)
    : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const timeval patience{kPatienceSeconds, 0};
  setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  const int on = 1;  // what is sent in pieces shall go in pieces, and at once
  setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (receive_buffer > 0) {
    const int size = static_cast<int>(receive_buffer);
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    throw std::runtime_error("cannot connect to the edge");
  }
}

bool Client::try_send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

void Client::send(std::string_view bytes) {
  if (!try_send(bytes)) throw std::runtime_error("the edge takes no more bytes");
}

bool Client::fill() {
  std::array<char, 65536> chunk{};
  const ssize_t got = ::recv(fd_.get(), chunk.data(), chunk.size(), 0);
  if (got <= 0) return false;
  buffer_.append(chunk.data(), static_cast<std::size_t>(got));
  return true;
}

std::string Client::read_until(std::string_view marker) {
  std::size_t found = 0;
  while ((found = buffer_.find(marker)) == std::string::npos) {
    if (!fill()) return {};
  }
  std::string out = buffer_.substr(0, found + marker.size());
  buffer_.erase(0, out.size());
  return out;
}

std::string Client::read_exactly(std::size_t bytes) {
  while (buffer_.size() < bytes) {
    if (!fill()) break;
  }
  std::string out = buffer_.substr(0, bytes);
  buffer_.erase(0, out.size());
  return out;
}

bool Client::at_end() {
  char byte = 0;
  if (!buffer_.empty()) return false;
  const ssize_t got = ::recv(fd_.get(), &byte, 1, 0);
  return got == 0 || (got < 0 && errno == ECONNRESET);
}

void Client::half_close() { ::shutdown(fd_.get(), SHUT_WR); }

HttpAnswer Client::answer(bool head_only) {
  const std::string head = read_until("\r\n\r\n");
  if (head.size() < 12) return {};
  HttpAnswer out;
  out.status = std::stoi(head.substr(9, 3));
  std::size_t line = head.find("\r\n") + 2;
  while (line + 2 < head.size()) {
    const std::size_t end = head.find("\r\n", line);
    const std::size_t colon = head.find(": ", line);
    std::string name = head.substr(line, colon - line);
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    out.headers[name] = head.substr(colon + 2, end - colon - 2);
    line = end + 2;
  }
  if (head_only || out.status == 100 || out.status == 101) return out;
  if (out.headers.count("content-length") > 0) {
    out.body = read_exactly(std::stoul(out.headers["content-length"]));
  } else if (out.headers.count("transfer-encoding") > 0) {
    while (true) {
      const std::string size = read_until("\r\n");
      if (size.empty()) return {};
      const std::size_t bytes = std::stoul(size, nullptr, 16);
      const std::string chunk = read_exactly(bytes + 2);
      if (bytes == 0) break;
      out.body += chunk.substr(0, bytes);
    }
  }
  return out;
}

HttpAnswer fetch(std::uint16_t port, std::string_view method, std::string_view target, std::string_view body,
                 std::string_view headers) {
  Client client(port);
  std::string request(method);
  request.append(" ").append(target).append(" HTTP/1.1\r\n");
  if (headers.find("Host:") == std::string_view::npos) {
    request.append("Host: localhost:").append(std::to_string(port)).append("\r\n");
  }
  request.append(headers);
  if (!body.empty()) request.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n");
  request.append("\r\n").append(body);
  client.send(request);
  return client.answer(method == "HEAD");
}

int Frame::close_code() const {
  if (opcode != 8 || payload.size() < 2) return -1;
  return static_cast<unsigned char>(payload[0]) * 256 + static_cast<unsigned char>(payload[1]);
}

std::string masked_frame(int opcode, std::string_view payload, bool final) {
  std::string out;
  out.push_back(static_cast<char>((final ? 0x80 : 0) | opcode));
  if (payload.size() < 126) {
    out.push_back(static_cast<char>(0x80 | payload.size()));
  } else if (payload.size() < 65536) {
    out.push_back(static_cast<char>(0x80 | 126));
    out.push_back(static_cast<char>(payload.size() >> 8));
    out.push_back(static_cast<char>(payload.size() & 0xFF));
  } else {
    out.push_back(static_cast<char>(0x80 | 127));
    for (int shift = 56; shift >= 0; shift -= 8)
      out.push_back(static_cast<char>((payload.size() >> shift) & 0xFF));
  }
  constexpr std::array<char, 4> kMask{0x12, 0x34, 0x56, 0x78};
  out.append(kMask.data(), kMask.size());
  for (std::size_t i = 0; i < payload.size(); ++i)
    out.push_back(static_cast<char>(payload[i] ^ kMask[i % 4]));
  return out;
}

WsClient::WsClient(std::uint16_t port, std::string_view target, std::string_view headers,
                   std::size_t receive_buffer)
    : client_(port, receive_buffer) {
  std::string request = "GET " + std::string(target) + " HTTP/1.1\r\n";
  if (headers.find("Host:") == std::string_view::npos)
    request += "Host: localhost:" + std::to_string(port) + "\r\n";
  request.append(headers);
  request +=
      "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  client_.send(request);
  handshake_ = client_.answer();
}

void WsClient::send(int opcode, std::string_view payload, bool final) {
  client_.send(masked_frame(opcode, payload, final));
}

Frame WsClient::read() {
  const std::string head = client_.read_exactly(2);
  if (head.size() < 2) return {};
  Frame frame;
  frame.final = (head[0] & 0x80) != 0;
  frame.opcode = head[0] & 0x0F;
  std::size_t length = static_cast<unsigned char>(head[1]) & 0x7F;
  if (length >= 126) {
    const std::string more = client_.read_exactly(length == 126 ? 2 : 8);
    length = 0;
    for (const unsigned char byte : more) length = length * 256 + byte;
  }
  frame.payload = client_.read_exactly(length);
  return frame;
}

WebSocketHandler scripted(ScriptedSession script) {
  return [script = std::move(script)](const Request&, std::shared_ptr<WebSocket> socket,
                                      Refusal&) -> std::unique_ptr<WebSocketSession> {
    return std::make_unique<Scripted>(script, std::move(socket));
  };
}

WebSocketHandler echo() {
  ScriptedSession script;
  script.text = [](WebSocket& socket, std::string_view text) { socket.send_text(text); };
  script.binary = [](WebSocket& socket, std::string_view bytes) { socket.send_binary(bytes); };
  return scripted(std::move(script));
}

}  // namespace answermill::frontend::test
