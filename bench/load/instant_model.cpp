#include "bench/load/instant_model.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <string>
#include <string_view>
#include <unordered_map>

#include "bench/load/clients.h"

namespace answermill::bench {
namespace {

std::string chunk(std::string_view data) {
  const std::string event = fmt::format("data: {}\n\n", data);
  return fmt::format("{:x}\r\n{}\r\n", event.size(), event);
}

std::string whole_answer() {
  std::string out =
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const std::string_view word : {"The", " documents", " say", " so", " [1]."}) {
    out += chunk(fmt::format(R"({{"id":"c","object":"chat.completion.chunk","choices":[{{"index":0,)"
                             R"("delta":{{"content":"{}"}},"finish_reason":null}}]}})",
                             word));
  }
  out += chunk(R"({"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})");
  return out + chunk("[DONE]") + "0\r\n\r\n";
}

// Bytes of the first request, 0 while it is not complete.
std::size_t request_size(std::string_view bytes) {
  const std::size_t head = bytes.find("\r\n\r\n");
  if (head == std::string_view::npos) return 0;
  std::size_t body = 0;
  constexpr std::string_view kLength = "\r\nContent-Length: ";
  if (const std::size_t at = bytes.substr(0, head).find(kLength); at != std::string_view::npos)
    std::from_chars(bytes.data() + at + kLength.size(), bytes.data() + head, body);
  return bytes.size() < head + 4 + body ? 0 : head + 4 + body;
}

}  // namespace

void serve_instant_model(int pipe) {
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = loopback(0);
  socklen_t length = sizeof address;
  check(bind(listener, reinterpret_cast<sockaddr*>(&address), length) == 0 && ::listen(listener, 1024) == 0,
        "listen");
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length);
  report_port(pipe, ntohs(address.sin_port));
  const int poll = epoll_create1(0);
  epoll_event event{EPOLLIN, {.fd = listener}};
  epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
  std::unordered_map<int, std::string> inputs;
  std::array<epoll_event, 64> events{};
  std::array<char, 65536> buffer{};
  const std::string answer = whole_answer();
  while (true) {
    const int count = epoll_wait(poll, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (fd == listener) {
        event.data.fd = accept(listener, nullptr, nullptr);
        epoll_ctl(poll, EPOLL_CTL_ADD, event.data.fd, &event);
        continue;
      }
      const ssize_t got = recv(fd, buffer.data(), buffer.size(), 0);
      if (got <= 0) {
        close(fd);
        inputs.erase(fd);
        continue;
      }
      std::string& input = inputs[fd].append(buffer.data(), static_cast<std::size_t>(got));
      for (std::size_t size = 0; (size = request_size(input)) > 0; input.erase(0, size))
        static_cast<void>(::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL));
    }
  }
}

}  // namespace answermill::bench
