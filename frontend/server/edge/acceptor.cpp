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

// Handshakes are work that somebody beyond a limit makes us do: so many, and the rest is let go unheard.
constexpr std::size_t kDepartingAtOnce = 64;
constexpr std::uint32_t kDepartingPerMinute = 600;
constexpr std::chrono::milliseconds kDepartureTime{2000};  // for a handshake, and for a goodbye

std::string farewell(const Refusal& refusal) {
  const std::string body = error_json(refusal.status, refusal.reason);
  AnswerHead head;
  head.status = refusal.status;
  head.content_type = kJsonType;
  head.length = body.size();
  head.keep_alive = false;
  return format_head(head, {{"Retry-After", "5"}}) + body;
}

// Of a connection that hears why it is let go, once TLS is set up, and nothing else.
class Departing final : public PeerProtocol {
 public:
  explicit Departing(EdgeContext& context) : context_(context) { ++context_.departing; }
  ~Departing() override { --context_.departing; }
  void on_bytes(std::string_view) override {}
  void on_end() override {}
  void on_written() override {}
  void on_tick(TimePoint) override {}
  void on_stop() override {}
  bool lasting() const override { return false; }
  void on_gone() override {}

 private:
  EdgeContext& context_;
};

}  // namespace

Acceptor::Acceptor(std::shared_ptr<EdgeContext> context, Listener listener)
    : context_(std::move(context)), scope_(listener.scope), socket_(context_->io) {
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  getsockname(listener.fd.get(), reinterpret_cast<sockaddr*>(&address), &length);
  protocol_ = address.ss_family == AF_INET ? tcp::v4() : tcp::v6();
  socket_.assign(protocol_, listener.fd.release());
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
  if (context_->connections() >= context_->config.limits.connections) {
    return turn_away(fd, {503, "The server has as many connections as it allows."});
  }
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    ::close(fd);  // it has gone already
    return;
  }
  const std::string text = text_of(address);
  auto seat = seat_for(text);
  if (!seat) return turn_away(fd, {429, "Your address has as many connections as one is allowed."});
  const auto peer = peer_of(fd, text);
  if (peer == nullptr) return;
  peer->seats().address = std::move(*seat);
  peer->start(std::make_unique<HttpProtocol>(*peer));
}

std::shared_ptr<Peer> Acceptor::peer_of(int fd, const std::string& address) {
  boost::system::error_code error;
  tcp::socket socket(context_->io);
  socket.assign(protocol_, fd, error);
  if (error) {
    ::close(fd);
    return nullptr;
  }
  auto peer = std::make_shared<Peer>(context_, std::move(socket), scope_, address);
  context_->peers.emplace(peer.get(), peer);
  return peer;
}

// Nothing is parsed for a connection beyond a limit; it is told and let go.
void Acceptor::turn_away(int fd, const Refusal& refusal) {
  const std::string answer = farewell(refusal);
  if (!scope_.tls) {
    static_cast<void>(::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
    ::close(fd);
    return;
  }
  const bool heard =
      context_->departing < kDepartingAtOnce &&
      context_->departures.take(kDepartingPerMinute, context_->now) == RateBucket::Clock::duration::zero();
  const auto peer = heard ? peer_of(fd, {}) : nullptr;
  if (peer == nullptr) {
    if (!heard) ::close(fd);
    return;
  }
  peer->start(std::make_unique<Departing>(*context_));
  peer->write(std::string_view(answer));
  peer->finish(kDepartureTime, kDepartureTime);
  peer->handshake_within(kDepartureTime);
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
