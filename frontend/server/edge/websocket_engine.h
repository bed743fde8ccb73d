// The WebSocket protocol (RFC 6455) of one server connection, spoken by websocketpp over its iostream
// transport.
//
// This header is the border between C++17, which websocketpp needs, and the rest of the program: it may
// include only what means the same under both. Sockets, timers and queues are the caller's. Thread: one;
// calls into an engine may come from its own events, except its destruction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "frontend/server/edge/websocket_compression.h"

namespace answermill::frontend {

class WebSocketEvents {
 public:
  virtual ~WebSocketEvents() = default;
  virtual void on_output(std::string_view bytes) = 0;  // to be sent to the peer, in this order
  virtual void on_handshake() = 0;                     // the connection is open
  virtual void on_message(bool text, std::string_view payload) = 0;
};

class WebSocketEngine {
 public:
  enum class State {
    kConnecting,
    kOpen,
    kClosing,  // our close frame is out, the peer's is awaited
    kClosed,   // it is over: both close frames were exchanged, or the peer broke the protocol and was told so
  };

  virtual ~WebSocketEngine() = default;
  virtual void receive(std::string_view bytes) = 0;
  virtual State state() const = 0;
  // Of the closing: the peer's code, or ours when the peer said nothing. 1006 when neither did.
  virtual std::uint16_t close_code() const = 0;
  virtual void ping() = 0;
  // `reason` is cut to the 123 bytes that fit. An invalid code is sent as 1000.
  virtual void close(std::uint16_t code, std::string_view reason) = 0;
};

// Makes engines that share what connections have in common.
class WebSocketEngines {
 public:
  explicit WebSocketEngines(std::size_t maximum_message_bytes);
  ~WebSocketEngines();
  WebSocketEngines(const WebSocketEngines&) = delete;
  WebSocketEngines& operator=(const WebSocketEngines&) = delete;

  // `events` must outlive the engine. The first bytes to receive() are the upgrade request; `subprotocol` is
  // what to agree on (empty for none) and must be among those the request offers. When the request carries
  // compression_header(), what comes in may be compressed; no message is larger than the maximum then
  // either.
  std::unique_ptr<WebSocketEngine> make(WebSocketEvents& events, std::string subprotocol);
  // The line that tells an engine, in its upgrade request, what was agreed on with the client.
  std::string compression_header(const CompressionTerms& terms) const;

 private:
  struct Shared;
  std::unique_ptr<Shared> shared_;
};

enum class FramePayload { kPlain, kDeflated };

// Appends the header of one unfragmented, unmasked data frame to `out`; the payload follows as it is.
void append_frame_header(std::string& out, bool text, FramePayload payload, std::size_t payload_bytes);

}  // namespace answermill::frontend
