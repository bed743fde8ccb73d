#include "bench/load/instant_model.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <map>
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

std::string token(std::string_view word) {
  return chunk(fmt::format(R"({{"id":"c","object":"chat.completion.chunk","choices":[{{"index":0,)"
                           R"("delta":{{"content":"{}"}},"finish_reason":null}}]}})",
                           word));
}

constexpr std::string_view kHead =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

std::string end_of_answer() {
  return chunk(R"({"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})") + chunk("[DONE]") +
         "0\r\n\r\n";
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

class ModelServer {
 public:
  ModelServer(int pipe, std::chrono::milliseconds gap) : gap_(gap) {
    sockaddr_in address = loopback(0);
    socklen_t length = sizeof address;
    check(
        bind(listener_, reinterpret_cast<sockaddr*>(&address), length) == 0 && ::listen(listener_, 1024) == 0,
        "listen");
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
    add(listener_);
    report_port(pipe, ntohs(address.sin_port));
  }

  void serve() {
    std::array<epoll_event, 64> events{};
    auto next = Clock::now() + gap_;
    while (true) {
      int wait_ms = -1;
      if (!answers_.empty()) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - Clock::now()).count();
        wait_ms = static_cast<int>(std::max<std::int64_t>(0, left));
      }
      const int count = epoll_wait(poll_, events.data(), static_cast<int>(events.size()), wait_ms);
      for (int i = 0; i < count; ++i) {
        const int fd = events[static_cast<std::size_t>(i)].data.fd;
        if (fd == listener_) {
          add(accept(listener_, nullptr, nullptr));
        } else {
          receive(fd);
        }
      }
      if (answers_.empty() || Clock::now() < next) continue;
      next = std::max(next + gap_, Clock::now());
      tell();
    }
  }

 private:
  void add(int fd) const {
    epoll_event event{EPOLLIN, {.fd = fd}};
    epoll_ctl(poll_, EPOLL_CTL_ADD, fd, &event);
  }

  void receive(int fd) {
    const ssize_t got = recv(fd, buffer_.data(), buffer_.size(), 0);
    if (got <= 0) {
      close(fd);
      inputs_.erase(fd);
      answers_.erase(fd);
      return;
    }
    std::string& input = inputs_[fd].append(buffer_.data(), static_cast<std::size_t>(got));
    for (std::size_t size = 0; (size = request_size(input)) > 0; input.erase(0, size)) answer(fd);
  }

  void answer(int fd) {
    std::string text(kHead);
    if (gap_ == std::chrono::milliseconds::zero()) {
      for (const std::string_view word : {"The", " documents", " say", " so", " [1]."}) text += token(word);
      text += end_of_answer();
    } else {
      answers_[fd] = 0;
    }
    say(fd, text);
  }

  void tell() {
    constexpr int kTokens = 600;
    for (auto at = answers_.begin(); at != answers_.end();) {
      const bool over = at->second == kTokens;
      say(at->first, over ? end_of_answer() : token(fmt::format(" token{}", ++at->second)));
      at = over ? answers_.erase(at) : std::next(at);
    }
  }

  static void say(int fd, std::string_view text) {
    static_cast<void>(::send(fd, text.data(), text.size(), MSG_NOSIGNAL));
  }

  std::chrono::milliseconds gap_;
  int listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
  int poll_ = epoll_create1(0);
  std::unordered_map<int, std::string> inputs_;
  std::map<int, int> answers_;  // tokens said, by connection
  std::array<char, 65536> buffer_{};
};

}  // namespace

void serve_instant_model(int pipe) { ModelServer(pipe, std::chrono::milliseconds::zero()).serve(); }
void serve_paced_model(int pipe, std::chrono::milliseconds gap) { ModelServer(pipe, gap).serve(); }

}  // namespace answermill::bench
