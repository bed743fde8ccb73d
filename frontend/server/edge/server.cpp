#include "frontend/server/edge/server.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <random>
#include <utility>

#include "frontend/server/edge/acceptor.h"
#include "frontend/server/edge/admission.h"
#include "frontend/server/edge/listener.h"
#include "frontend/server/edge/peer.h"
#include "shared/log/log.h"

namespace answermill::frontend {
namespace {

constexpr std::chrono::milliseconds kDrainEach{2};
constexpr std::chrono::milliseconds kDrainTick{10};

// Often enough for the shortest timeout, rarely enough to cost nothing.
std::chrono::milliseconds tick_for(const EdgeLimits& limits) {
  using std::chrono::milliseconds;
  const milliseconds shortest =
      std::min({limits.header_timeout, limits.body_timeout, limits.keep_alive_timeout, limits.stall_timeout,
                limits.ping_interval, limits.pong_timeout, limits.close_timeout, limits.drain_idle_timeout,
                limits.drain_total_timeout, limits.stop_timeout});
  return std::clamp(shortest / 4, milliseconds(10), milliseconds(500));
}

}  // namespace

struct EdgeServer::Impl : public std::enable_shared_from_this<EdgeServer::Impl> {
  Impl(boost::asio::io_context& io, EdgeConfig config)
      : context(std::make_shared<EdgeContext>(io, std::move(config))), timer(io) {
    context->tick = tick_for(context->config.limits);
  }

  // All listeners, and one port for each entry of the configuration.
  struct Opened {
    std::vector<Listener> listeners;
    std::vector<std::uint16_t> ports;
  };
  Result<Opened> open() const;
  Status load_tls(const std::vector<Listener>& listeners);
  Status reload_tls();
  void schedule_tick();
  void tick();
  void check_stopped();
  void cut_all();

  std::shared_ptr<EdgeContext> context;
  std::vector<std::shared_ptr<Acceptor>> acceptors;
  boost::asio::steady_timer timer;
  std::minstd_rand random{std::random_device{}()};
  std::function<void()> stopped;  // runs when the last connection has gone
  TimePoint stop_by = TimePoint::max();
  bool ended = false;
};

Result<EdgeServer::Impl::Opened> EdgeServer::Impl::open() const {
  Opened out;
  std::vector<Listener>& all = out.listeners;
  for (const auto& text : context->config.listen) {
    auto opened = open_listeners(text, context->config.reuse_port);
    if (!opened) return opened.error();
    out.ports.push_back(opened->front().port);
    for (auto& listener : *opened) all.push_back(std::move(listener));
  }
  const auto adopt = [&out](int fd, bool tls) -> Status {
    auto adopted = adopt_listener(fd);
    if (!adopted) return adopted.error();
    adopted->scope.tls = tls;
    out.ports.push_back(adopted->port);
    out.listeners.push_back(*std::move(adopted));
    return {};
  };
  for (const int fd : context->config.listen_fds) {
    if (const auto adopted = adopt(fd, false); !adopted) return adopted.error();
  }
  for (const int fd : context->config.tls_listen_fds) {
    if (const auto adopted = adopt(fd, true); !adopted) return adopted.error();
  }
  if (all.empty()) return Error{ErrorCode::kInvalidArgument, "there is no address to listen on"};
  for (const auto& listener : all) {
    if (!listener.scope.loopback && !context->tokens.has_fixed() && !context->tokens.has_file()) {
      return Error{ErrorCode::kInvalidArgument,
                   fmt::format("listening on {} reaches beyond this machine and needs an access token",
                               listener.host)};
    }
  }
  return out;
}

Status EdgeServer::Impl::load_tls(const std::vector<Listener>& listeners) {
  const bool wanted = std::any_of(listeners.begin(), listeners.end(),
                                  [](const Listener& listener) { return listener.scope.tls; });
  return wanted ? reload_tls() : Status{};
}

Status EdgeServer::Impl::reload_tls() {
  auto loaded = TlsContext::load(context->config.tls);
  if (!loaded) return loaded.error();
  context->tls = *std::move(loaded);
  constexpr long kSoonDays = 14;
  const long days = context->tls->days_left();
  if (days < kSoonDays) {
    log::warn("event=tls_loaded certificate={} days_left={} the certificate expires soon",
              context->config.tls.certificate, days);
  } else {
    log::info("event=tls_loaded certificate={} days_left={}", context->config.tls.certificate, days);
  }
  return {};
}

void EdgeServer::Impl::schedule_tick() {
  timer.expires_after(context->tick);
  timer.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (!error && self && !self->ended) self->tick();
  });
}

void EdgeServer::Impl::tick() {
  context->now = std::chrono::steady_clock::now();
  if (context->now > stop_by) {
    cut_all();
  } else {
    std::vector<std::shared_ptr<Peer>> peers;  // a copy: a tick may end its peer
    peers.reserve(context->peers.size());
    for (const auto& [raw, peer] : context->peers) peers.push_back(peer);
    for (const auto& peer : peers) peer->tick();
    for (const auto& acceptor : acceptors) acceptor->tick();
  }
  check_stopped();
  if (!ended) schedule_tick();
}

void EdgeServer::Impl::check_stopped() {
  if (!context->stopping || !context->peers.empty() || ended) return;
  ended = true;
  timer.cancel();
  if (const auto done = std::exchange(stopped, nullptr)) done();
}

void EdgeServer::Impl::cut_all() {
  std::vector<std::shared_ptr<Peer>> peers;
  for (const auto& [raw, peer] : context->peers) peers.push_back(peer);
  for (const auto& peer : peers) peer->destroy();
}

EdgeServer::EdgeServer(boost::asio::io_context& io, EdgeConfig config)
    : impl_(std::make_shared<Impl>(io, std::move(config))) {}

EdgeServer::~EdgeServer() {
  impl_->ended = true;
  impl_->context->on_peer_gone = nullptr;
  impl_->timer.cancel();
  for (const auto& acceptor : impl_->acceptors) acceptor->stop();
  impl_->cut_all();
}

Router& EdgeServer::router() { return impl_->context->routes; }

Result<std::vector<std::uint16_t>> EdgeServer::listen() {
  EdgeContext& context = *impl_->context;
  auto files = StaticFiles::load(context.config.static_root);
  if (!files) return files.error();
  context.files = *std::move(files);
  auto opened = impl_->open();
  if (!opened) return opened.error();
  if (const auto loaded = impl_->load_tls(opened->listeners); !loaded) return loaded.error();
  for (auto& listener : opened->listeners) {
    if (!listener.scope.wildcard) context.policy.allow_host(listener.host);
    impl_->acceptors.push_back(std::make_shared<Acceptor>(impl_->context, std::move(listener)));
  }
  for (const auto& text : context.config.listen) {
    if (auto address = parse_listen(text); address && !address->host.empty()) {
      if (address->host != "0.0.0.0" && address->host != "::") context.policy.allow_host(address->host);
    }
  }
  for (const auto& acceptor : impl_->acceptors) acceptor->start();
  context.now = std::chrono::steady_clock::now();
  impl_->schedule_tick();
  return opened->ports;
}

Status EdgeServer::reload_tls() { return impl_->context->tls ? impl_->reload_tls() : Status{}; }

void EdgeServer::stop(std::function<void()> done) {
  if (impl_->context->stopping) return;
  impl_->stopped = std::move(done);
  EdgeContext& context = *impl_->context;
  context.stopping = true;
  context.now = std::chrono::steady_clock::now();
  impl_->stop_by = context.now + context.config.limits.stop_timeout;
  for (const auto& acceptor : impl_->acceptors) acceptor->stop();
  std::vector<std::shared_ptr<Peer>> peers;
  for (const auto& [raw, peer] : context.peers) peers.push_back(peer);
  const auto lasting =
      std::count_if(peers.begin(), peers.end(), [](const auto& peer) { return peer->lasting(); });
  const auto window = std::min(context.config.limits.drain_window, lasting * kDrainEach);
  impl_->stop_by += window;
  std::uniform_int_distribution<std::int64_t> some(0, window.count());
  for (const auto& peer : peers) {
    if (peer->lasting()) {
      peer->stop_at(context.now + std::chrono::milliseconds(some(impl_->random)));
    } else {
      peer->stop();
    }
  }
  context.tick = std::min(context.tick, kDrainTick);
  impl_->schedule_tick();
  context.on_peer_gone = [weak = impl_->weak_from_this()] {
    if (const auto self = weak.lock()) self->check_stopped();
  };
  boost::asio::post(context.io, [weak = impl_->weak_from_this()] {
    if (const auto self = weak.lock()) self->check_stopped();
  });
}

void EdgeServer::set_tokens(const access::TokenList& tokens) { impl_->context->tokens.replace(tokens); }

AccessReport EdgeServer::access() const {
  const EdgeContext& context = *impl_->context;
  constexpr ListenScope kLoopback;
  return {context.tokens.count(), needs_token(context.tokens, kLoopback, context.config.open_loopback),
          context.connections(), context.usage->limits, context.usage->refused};
}

std::size_t EdgeServer::connections() const { return impl_->context->connections(); }

}  // namespace answermill::frontend
