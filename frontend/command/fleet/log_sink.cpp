#include "frontend/command/fleet/log_sink.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>

namespace answermill::command {

void LinePrefixer::end_line(std::string& out) {
  if (!partial_.empty() && partial_.back() == '\r') partial_.pop_back();
  out += prefix_;
  out += partial_;
  out += '\n';
  partial_.clear();
}

std::string LinePrefixer::feed(std::string_view bytes) {
  std::string out;
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    partial_ += bytes.substr(0, end);
    bytes = end == std::string_view::npos ? std::string_view{} : bytes.substr(end + 1);
    while (partial_.size() > kLongestLine) {
      std::string rest = partial_.substr(kLongestLine);
      partial_.resize(kLongestLine);
      end_line(out);
      partial_ = std::move(rest);
    }
    if (end != std::string_view::npos) end_line(out);
  }
  return out;
}

std::string LinePrefixer::finish() {
  std::string out;
  if (!partial_.empty()) end_line(out);
  return out;
}

std::string line_prefix(std::string_view name, std::size_t width, std::size_t index, bool colour) {
  static constexpr std::array<int, 6> kColours = {36, 33, 32, 35, 34, 31};
  const std::string text = fmt::format("{:<{}} | ", name, width);
  return colour ? fmt::format("\033[{}m{}\033[0m", kColours[index % kColours.size()], text) : text;
}

void LogSink::write(std::string_view lines) {
  if (pending_.size() + lines.size() > kMostPending) {
    dropped_bytes_ += lines.size();
  } else {
    pending_ += lines;
  }
  flush();
}

void LogSink::flush() {
  while (!pending_.empty()) {
    pollfd poll_fd{fd_, POLLOUT, 0};
    if (::poll(&poll_fd, 1, 0) <= 0 || (poll_fd.revents & POLLOUT) == 0) {
      if ((poll_fd.revents & (POLLERR | POLLNVAL)) != 0) pending_.clear();  // the reader has gone
      return;
    }
    // A pipe that polls writable takes PIPE_BUF bytes without blocking.
    const ssize_t written = ::write(fd_, pending_.data(), std::min<std::size_t>(pending_.size(), PIPE_BUF));
    if (written < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) pending_.clear();
      return;
    }
    pending_.erase(0, static_cast<std::size_t>(written));
  }
  if (dropped_bytes_ > 0) {
    pending_ = fmt::format("… {} bytes of log were dropped: nobody read them\n", dropped_bytes_);
    dropped_bytes_ = 0;
    flush();
  }
}

}  // namespace answermill::command
