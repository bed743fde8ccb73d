#include "frontend/server/edge/transport.h"

#include <sys/socket.h>

#include <cerrno>

namespace answermill::frontend {
namespace {

bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK; }

class PlainTransport final : public Transport {
 public:
  explicit PlainTransport(int fd) : fd_(fd) {}

  Outcome read(char* buffer, std::size_t size) override {
    const ssize_t got = ::recv(fd_, buffer, size, MSG_DONTWAIT);
    if (got > 0) return {Status::kDone, static_cast<std::size_t>(got)};
    if (got == 0) return {Status::kEnd};
    return {would_block() || errno == EINTR ? Status::kWantRead : Status::kFailed};
  }

  Outcome write(const iovec* pieces, std::size_t count) override {
    std::size_t total = 0;
    for (std::size_t i = 0; i < count; ++i) total += pieces[i].iov_len;
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(pieces);
    message.msg_iovlen = count;
    constexpr int kFlags = MSG_NOSIGNAL | MSG_DONTWAIT;
    ssize_t sent = -1;
    do {
      // One piece is by far the most often, and the kernel has less to do for it.
      sent = count == 1 ? ::send(fd_, pieces->iov_base, pieces->iov_len, kFlags)
                        : ::sendmsg(fd_, &message, kFlags);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0) return {would_block() ? Status::kWantWrite : Status::kFailed};
    const auto bytes = static_cast<std::size_t>(sent);
    return {bytes < total ? Status::kWantWrite : Status::kDone, bytes};
  }

  Outcome end() override {
    ::shutdown(fd_, SHUT_WR);
    return {};
  }

  bool established() const override { return true; }

 private:
  int fd_;
};

}  // namespace

std::unique_ptr<Transport> make_plain_transport(int fd) { return std::make_unique<PlainTransport>(fd); }

}  // namespace answermill::frontend
