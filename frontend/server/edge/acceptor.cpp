#include "frontend/server/edge/acceptor.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "frontend/server/edge/answer.h"
#include "frontend/server/edge/http_protocol.h"
#include "shared/log/log.h"

namespace answermill::frontend {
namespace {

using boost::asio::ip::tcp;
constexpr int kAcceptsPerTurn = 64;  // a flood of connections must not keep the loop from those it has

std::string text_of(const sockaddr_storage& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.ss_family == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(address).sin_addr, text.data(), text.size());
  } else {
    inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6&>(address).sin6_addr, text.data(), text.size());
  }
  constexpr std::string_view kMapped = "::ffff:";
  std::string out = text.data();
  if (out.rfind(kMapped, 0) == 0 && out.find('.') != std::string::npos) out.erase(0, kMapped.size());
  return out;
}

// Nothing is parsed for a connection beyond a limit; it is told and let go.
void turn_away(int fd, const ListenScope& scope, int status, std::string_view why) {
  if (scope.tls) {  // a handshake is what it shall not cost
    ::close(fd);
    return;
  }
  const std::string body = error_json(status, why);
  AnswerHead head;
  head.status = status;
  head.content_type = kJsonType;
  head.length = body.size();
  head.keep_alive = false;
  const std::string answer = format_head(head, {{"Retry-After", "5"}}) + body;
  static_cast<void>(::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
  ::close(fd);
}

}  // namespace

Acceptor::Acceptor(std::shared_ptr<EdgeContext> context, Listener listener)
    : context_(std::move(context)), scope_(listener.scope), socket_(context_->io) {
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  getsockname(listener.fd.get(), reinterpret_cast<sockaddr*>(&address), &length);
  socket_.assign(address.ss_family == AF_INET ? tcp::v4() : tcp::v6(), listener.fd.release());
}

void Acceptor::start() { wait(); }

void Acceptor::stop() {
  stopped_ = true;
  boost::system::error_code ignored;
  socket_.close(ignored);
}

void Acceptor::tick() {
  if (!paused_ || stopped_) return;
  paused_ = false;
  wait();
}

void Acceptor::wait() {
  socket_.async_wait(tcp::socket::wait_read,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       if (error || self->stopped_) return;
                       self->accept_some();
                     });
}

void Acceptor::accept_some() {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    const int fd = ::accept4(socket_.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      admit_socket(fd);
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED || errno == EPROTO) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) break;
    // Out of descriptors or memory: the socket stays readable, so waiting on it again would spin.
    log::warn("edge: cannot accept connections now: {}", std::strerror(errno));
    paused_ = true;
    return;
  }
  wait();
}

void Acceptor::admit_socket(int fd) {
  if (context_->peers.size() >= context_->config.limits.connections) {
    return turn_away(fd, scope_, 503, "The server has as many connections as it allows.");
  }
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    ::close(fd);  // it has gone already
    return;
  }
  const std::string text = text_of(address);
  auto seat = seat_for(text);
  if (!seat) return turn_away(fd, scope_, 429, "Your address has as many connections as one is allowed.");
  boost::system::error_code error;
  tcp::socket socket(context_->io);
  socket.assign(address.ss_family == AF_INET ? tcp::v4() : tcp::v6(), fd, error);
  if (error) {
    ::close(fd);
    return;
  }
  auto peer = std::make_shared<Peer>(context_, std::move(socket), scope_, text);
  peer->seats().address = std::move(*seat);
  context_->peers.emplace(peer.get(), peer);
  peer->start(std::make_unique<HttpProtocol>(*peer));
}

// A proxy's connections carry other people's requests: they are counted where those are read.
std::optional<Seat> Acceptor::seat_for(const std::string& address) {
  const EdgeConfig& config = context_->config;
  const auto& proxies = config.trusted_proxies;
  const bool is_proxy = std::find(proxies.begin(), proxies.end(), address) != proxies.end();
  if (is_proxy || (is_loopback_host(address) && !config.limit_loopback)) return Seat();
  auto account = context_->usage->ledger.account(account_of_address(address), context_->now);
  const std::uint32_t limit = config.usage.connections_per_address;
  if (limit != 0 && account->connections >= limit) {
    ++context_->usage->refused.connections;
    return std::nullopt;
  }
  return Seat(std::move(account), &Account::connections);
}

}  // namespace answermill::frontend
