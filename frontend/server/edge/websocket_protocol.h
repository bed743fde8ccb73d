// WebSocket on one connection: the engine's bytes on our socket, our timers, and the session's callbacks.
//
// Thread: the loop's. Owned by its Peer. Owns the session and the engine.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "frontend/server/edge/http.h"
#include "frontend/server/edge/peer.h"
#include "frontend/server/edge/route_table.h"
#include "frontend/server/edge/websocket_engine.h"

namespace answermill::frontend {

class WebSocketProtocol;

// What a session holds: harmless after the connection has ended. Sends before on_open() are ignored.
class WebSocketHandle final : public WebSocket {
 public:
  WebSocketHandle(Request request, std::string subprotocol);
  void send_text(std::string_view text) override;
  void send_binary(std::string_view bytes) override;
  void close(std::uint16_t code, std::string_view reason) override;
  std::size_t pending_bytes() const override;
  const Request& request() const override { return request_; }
  std::string_view subprotocol() const override { return subprotocol_; }

  // What nobody asks for once the session exists is not kept for as long as the connection lives.
  void forget_headers();
  void attach(WebSocketProtocol* protocol) { protocol_ = protocol; }  // null: the connection is over
  // Messages go to `peer` as they are; null: they are the protocol's to send, or to drop.
  void send_to(Peer* peer) { peer_ = peer; }

 private:
  Peer* peer_ = nullptr;  // first: all that a send needs of this object lies in one cache line
  WebSocketProtocol* protocol_ = nullptr;
  Request request_;
  std::string subprotocol_;
};

class WebSocketProtocol final : public PeerProtocol, private WebSocketEvents {
 public:
  // Agrees on a subprotocol and asks the handler for a session; null when it refuses.
  static std::unique_ptr<WebSocketProtocol> make(Peer& peer, Request request, const WebSocketRoute& route,
                                                 Refusal& refusal);
  ~WebSocketProtocol() override;

  // Answers the handshake; `input` is what came in behind the upgrade request.
  void begin(std::string input);

  void on_bytes(std::string_view bytes) override;
  void on_end() override;
  void on_written() override;
  void on_tick(TimePoint now) override;
  void on_stop() override;
  bool lasting() const override { return true; }
  void on_gone() override;

  void send(bool text, std::string_view payload);
  void close(std::uint16_t code, std::string_view reason);
  // Asked by the session, which then waits for on_drain() if there are any.
  std::size_t pending_bytes();

 private:
  WebSocketProtocol(Peer& peer, std::shared_ptr<WebSocketHandle> handle,
                    std::unique_ptr<WebSocketSession> session);

  void on_output(std::string_view bytes) override;
  void on_handshake() override;
  void on_message(bool text, std::string_view payload) override;
  void after_engine();
  void end_session(std::uint16_t code);
  void set_sendable(bool sendable);

  Peer& peer_;
  bool sendable_ = false;  // the engine's state is open
  std::shared_ptr<WebSocketHandle> handle_;
  std::unique_ptr<WebSocketSession> session_;
  std::unique_ptr<WebSocketEngine> engine_;
  std::optional<CompressionTerms> compression_;
  bool opened_ = false;
  bool session_ended_ = false;
  bool ping_sent_ = false;
  TimePoint last_heard_;
  TimePoint close_by_ = TimePoint::max();
};

}  // namespace answermill::frontend
