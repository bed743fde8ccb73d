// The seam between the edge (sockets, HTTP, WebSocket framing) and what is served over it.
//
// Thread: everything here belongs to one Asio loop thread; handlers must not block it. Objects given out as
// shared_ptr may be kept across turns and stay harmless after the peer has gone (writes are then ignored).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "frontend/server/edge/caller.h"

namespace answermill::frontend {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct Request {
  std::string method;
  std::string path;   // percent-decoded, "/api/documents/abc"
  std::string query;  // raw, without '?'
  Headers headers;    // names in lower case
  std::string body;   // whole, for plain routes (bounded by the body limit)
  std::string peer;   // address of the client
  bool tls = false;   // came in through TLS of ours
  Caller caller;
  std::vector<std::string> captures;  // one per "{name}" of the route's pattern, percent-decoded

  std::string_view header(std::string_view lower_case_name) const;      // empty when absent
  std::optional<std::string> query_value(std::string_view name) const;  // first value, percent-decoded
};

// An answer whose body is produced over time (SSE, chunked text).
class BodyStream {
 public:
  virtual ~BodyStream() = default;
  // Queued; written at the end of the loop turn together with whatever else was queued.
  virtual void write(std::string_view bytes) = 0;
  virtual void end() = 0;
  virtual std::size_t pending_bytes() const = 0;  // queued and not yet taken by the kernel
  virtual bool closed() const = 0;
  std::function<void()> on_drain;  // the queue became empty after pending_bytes() was above zero
  std::function<void()>
      on_close;  // the client left, or the stream made no progress for too long; called once
};

// Answers exactly once: send() or stream(). Dropped without an answer: 500 is sent.
class Responder {
 public:
  virtual ~Responder() = default;
  virtual void send(int status, std::string_view content_type, std::string body, Headers headers = {}) = 0;
  virtual std::shared_ptr<BodyStream> stream(int status, std::string_view content_type,
                                             Headers headers = {}) = 0;
};
using ResponderPtr = std::shared_ptr<Responder>;

// Takes a request body piece by piece, at the pace it asks for.
class BodySink {
 public:
  virtual ~BodySink() = default;
  // Bytes of the body. Call `ready` (now or later, on the loop thread) to get the next piece.
  virtual void on_data(std::string_view bytes, std::function<void()> ready) = 0;
  virtual void on_end() = 0;    // the body is complete: answer through the Responder
  virtual void on_abort() = 0;  // the client left in the middle; no answer is possible
};

class WebSocket {
 public:
  virtual ~WebSocket() = default;
  // Written at once or at the end of the loop turn, together with what else was sent in it. UTF-8 is the
  // caller's promise.
  virtual void send_text(std::string_view text) = 0;
  virtual void send_binary(std::string_view bytes) = 0;
  virtual void close(std::uint16_t code, std::string_view reason) = 0;
  virtual std::size_t pending_bytes() const = 0;     // on_drain() follows if there are any
  virtual const Request& request() const = 0;        // the upgrade request; without headers once it is open
  virtual std::string_view subprotocol() const = 0;  // the one agreed on; empty for none
};

// One connection's conversation; destroyed after on_close().
class WebSocketSession {
 public:
  virtual ~WebSocketSession() = default;
  virtual void on_open() = 0;
  virtual void on_text(std::string_view message) = 0;
  virtual void on_binary(std::string_view message) = 0;
  virtual void on_drain() = 0;  // the write queue became empty after pending_bytes() was seen above zero
  virtual void on_close(std::uint16_t code) = 0;
};

using Handler = std::function<void(Request request, ResponderPtr responder)>;
// May answer at once (a refusal) and return null: the body is then discarded.
using UploadHandler =
    std::function<std::unique_ptr<BodySink>(const Request& request, ResponderPtr responder)>;
// May refuse by returning null after setting `status` (e.g. 400) and `reason`.
using WebSocketHandler = std::function<std::unique_ptr<WebSocketSession>(
    const Request& request, std::shared_ptr<WebSocket> socket, Refusal& refusal)>;

// How a refusal looks on the wires below some path.
struct RefusalBody {
  std::string content_type;
  std::string body;
};
using RefusalWriter = std::function<RefusalBody(const Request&, const Refusal&)>;

// Patterns are literal segments and "{name}" captures of one segment: "/api/documents/{id}/pages/{page}".
// A path that matches with another method is answered 405 with Allow; none at all falls to the static files,
// then 404. `access` is asked and charged before the handler runs; what it does to single messages of a
// WebSocket is the session's to ask.
class Router {
 public:
  virtual ~Router() = default;
  virtual void route(std::string_view method, std::string_view pattern, const Access& access,
                     Handler handler) = 0;
  virtual void upload(std::string_view method, std::string_view pattern, const Access& access,
                      UploadHandler handler) = 0;
  virtual void websocket(std::string_view pattern, std::vector<std::string> subprotocols,
                         const Access& access, WebSocketHandler handler) = 0;
  // For the operator alone.
  void route(std::string_view method, std::string_view pattern, Handler handler) {
    route(method, pattern, kNeedsAdmin, std::move(handler));
  }
  void upload(std::string_view method, std::string_view pattern, UploadHandler handler) {
    upload(method, pattern, kNeedsAdmin, std::move(handler));
  }
  void websocket(std::string_view pattern, std::vector<std::string> subprotocols, WebSocketHandler handler) {
    websocket(pattern, std::move(subprotocols), kNeedsAdmin, std::move(handler));
  }
  // What the edge itself refuses at `folder` and below it is told by `writer`; elsewhere as our JSON.
  virtual void refuse_with(std::string_view folder, RefusalWriter writer) = 0;
};

}  // namespace answermill::frontend
