#include "frontend/server/edge/websocket_protocol.h"

#include <algorithm>
#include <utility>

#include "frontend/server/edge/admission.h"

namespace answermill::frontend {
namespace {

constexpr std::uint16_t kGoingAway = 1001;
constexpr std::uint16_t kAbnormal = 1006;
constexpr std::uint16_t kPolicyViolation = 1008;
constexpr std::uint16_t kServiceRestart = 1012;

// The first of the client's offers that the route speaks; empty when there is none.
std::string choose_subprotocol(const Request& request, const std::vector<std::string>& spoken) {
  for (const auto& [name, value] : request.headers) {
    if (name != "sec-websocket-protocol") continue;
    for (const auto& candidate : spoken) {
      if (header_lists(value, candidate)) return candidate;
    }
  }
  return {};
}

std::optional<CompressionTerms> choose_compression(const EdgeContext& context, const Request& request) {
  if (!context.config.websocket_compression) return std::nullopt;
  std::string offers;
  for (const auto& [name, value] : request.headers) {
    if (name == "sec-websocket-extensions") offers.append(value).append(",");
  }
  return agree_on_compression(offers);
}

// Only what the handshake needs: the engine keeps its request, and has limits of its own on its size.
std::string handshake_request(const WebSocketHandle& handle, const std::string& compression) {
  const Request& request = handle.request();
  std::string out = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
  out.append("Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ").append(request.header("sec-websocket-key"));
  if (!handle.subprotocol().empty()) out.append("\r\nSec-WebSocket-Protocol: ").append(handle.subprotocol());
  if (!compression.empty()) out.append("\r\n").append(compression);
  return out += "\r\n\r\n";
}

}  // namespace

WebSocketHandle::WebSocketHandle(Request request, std::string subprotocol)
    : request_(std::move(request)), subprotocol_(std::move(subprotocol)) {}

void WebSocketHandle::forget_headers() {
  request_.headers = Headers();
  request_.body = std::string();
}

void WebSocketHandle::send_text(std::string_view text) {
  if (peer_ != nullptr) return peer_->send_message(true, text);
  if (protocol_ != nullptr) protocol_->send(true, text);
}

void WebSocketHandle::send_binary(std::string_view bytes) {
  if (peer_ != nullptr) return peer_->send_message(false, bytes);
  if (protocol_ != nullptr) protocol_->send(false, bytes);
}

void WebSocketHandle::close(std::uint16_t code, std::string_view reason) {
  if (protocol_ != nullptr) protocol_->close(code, reason);
}

std::size_t WebSocketHandle::pending_bytes() const {
  return protocol_ == nullptr ? 0 : protocol_->pending_bytes();
}

std::unique_ptr<WebSocketProtocol> WebSocketProtocol::make(Peer& peer, Request request,
                                                           const WebSocketRoute& route, Refusal& refusal) {
  std::string subprotocol = choose_subprotocol(request, route.subprotocols);
  auto handle = std::make_shared<WebSocketHandle>(std::move(request), std::move(subprotocol));
  auto session = route.handler(handle->request(), handle, refusal);
  if (!session) return nullptr;
  return std::unique_ptr<WebSocketProtocol>(
      new WebSocketProtocol(peer, std::move(handle), std::move(session)));
}

WebSocketProtocol::WebSocketProtocol(Peer& peer, std::shared_ptr<WebSocketHandle> handle,
                                     std::unique_ptr<WebSocketSession> session)
    : peer_(peer),
      handle_(std::move(handle)),
      session_(std::move(session)),
      engine_(peer.context().engines.make(*this, std::string(handle_->subprotocol()))),
      compression_(choose_compression(peer.context(), handle_->request())),
      last_heard_(peer.context().now) {
  peer_.note_message();
  handle_->attach(this);
}

WebSocketProtocol::~WebSocketProtocol() {
  handle_->send_to(nullptr);
  handle_->attach(nullptr);
}

void WebSocketProtocol::set_sendable(bool sendable) {
  sendable_ = sendable;
  handle_->send_to(sendable && !compression_ ? &peer_ : nullptr);
}

std::size_t WebSocketProtocol::pending_bytes() {
  const std::size_t pending = peer_.pending_bytes();
  if (pending > 0) peer_.note_waiting();
  return pending;
}

void WebSocketProtocol::begin(std::string input) {
  const auto& engines = peer_.context().engines;
  const std::string handshake =
      handshake_request(*handle_, compression_ ? engines.compression_header(*compression_) : std::string());
  handle_->forget_headers();
  engine_->receive(handshake);
  if (!input.empty() && opened_) engine_->receive(input);
  after_engine();
}

void WebSocketProtocol::on_bytes(std::string_view bytes) {
  last_heard_ = peer_.context().now;
  ping_sent_ = false;
  if (session_ended_) return;
  engine_->receive(bytes);
  after_engine();
}

void WebSocketProtocol::after_engine() {
  const bool open = !session_ended_ && engine_->state() == WebSocketEngine::State::kOpen;
  if (open != sendable_) set_sendable(open);
  if (session_ended_ || engine_->state() != WebSocketEngine::State::kClosed) return;
  const auto& limits = peer_.context().config.limits;
  peer_.finish(limits.close_timeout, limits.close_timeout);
  end_session(engine_->close_code());
}

void WebSocketProtocol::on_output(std::string_view bytes) { peer_.write(bytes); }

void WebSocketProtocol::on_handshake() {
  opened_ = true;
  set_sendable(true);
  session_->on_open();
}

void WebSocketProtocol::on_message(bool text, std::string_view payload) {
  if (session_ended_) return;
  peer_.note_message();
  if (text) {
    session_->on_text(payload);
  } else {
    session_->on_binary(payload);
  }
}

// Of a compressed connection; what the others send goes from the handle to the Peer.
void WebSocketProtocol::send(bool text, std::string_view payload) {
  if (session_ended_ || !sendable_) return;
  const std::string_view deflated = peer_.context().deflater.deflate(payload, *compression_);
  if (deflated.empty()) return peer_.queue_message(text, FramePayload::kPlain, payload);
  peer_.queue_message(text, FramePayload::kDeflated, deflated);
}

void WebSocketProtocol::close(std::uint16_t code, std::string_view reason) {
  if (session_ended_ || engine_->state() != WebSocketEngine::State::kOpen) return;
  engine_->close(code, reason);
  set_sendable(false);
  close_by_ = peer_.context().now + peer_.context().config.limits.close_timeout;
  // Some codes end the connection at once. The session may be the caller, so its on_close waits for a clean
  // stack.
  if (engine_->state() != WebSocketEngine::State::kClosed) return;
  const auto& limits = peer_.context().config.limits;
  peer_.finish(limits.close_timeout, limits.close_timeout);
}

void WebSocketProtocol::end_session(std::uint16_t code) {
  if (std::exchange(session_ended_, true)) return;
  set_sendable(false);
  if (opened_) session_->on_close(code);
}

void WebSocketProtocol::on_end() {
  // Without a close frame; nothing can be said to a peer that has gone.
  peer_.abort();
}

void WebSocketProtocol::on_written() {
  if (peer_.take_waiting() && !session_ended_ && sendable_) session_->on_drain();
}

void WebSocketProtocol::on_tick(TimePoint now) {
  const auto& limits = peer_.context().config.limits;
  // A slow reader gets what was queued before the close frame; one that stands still is the Peer's to end.
  if (close_by_ != TimePoint::max() && peer_.pending_bytes() > 0) close_by_ = now + limits.close_timeout;
  if (now > close_by_) return peer_.abort();
  if (engine_->state() != WebSocketEngine::State::kOpen) return;
  if (handle_->request().caller.revoked()) return close(kPolicyViolation, "the access token was revoked");
  if (limits.websocket_idle_timeout.count() > 0 &&
      now - peer_.last_message() > limits.websocket_idle_timeout) {
    ++peer_.context().usage->refused.idle;
    return close(kGoingAway, "idle");
  }
  const auto silent = now - last_heard_;
  if (!ping_sent_ && silent > limits.ping_interval) {
    engine_->ping();
    ping_sent_ = true;
  } else if (ping_sent_ && silent > limits.ping_interval + limits.pong_timeout) {
    peer_.abort();
  }
}

void WebSocketProtocol::on_stop() { close(kServiceRestart, "the server restarts"); }

void WebSocketProtocol::on_gone() {
  const bool over = engine_->state() == WebSocketEngine::State::kClosed;
  end_session(over ? engine_->close_code() : kAbnormal);
}

}  // namespace answermill::frontend
