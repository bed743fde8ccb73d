// The one port of a frontend: accepts connections and speaks HTTP/1.1 and WebSocket on them, plainly or
// through TLS.
//
// Thread: everything, including every handler, runs on the loop thread of the io_context given.
// Owns: its sockets, its timers and everything that is queued for a peer.
// Units: sizes in bytes.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "frontend/server/edge/http.h"
#include "frontend/server/edge/tls.h"
#include "shared/base/result.h"

namespace answermill::frontend {

// Bounds on what one peer can cost. Every wait and every queue has one.
struct EdgeLimits {
  std::size_t connections = 10'000;
  std::size_t header_bytes = 32 * 1024;
  std::size_t body_bytes = 2 * 1024 * 1024;           // plain routes; an upload's sink bounds itself
  std::size_t websocket_message_bytes = 1024 * 1024;  // larger ones close the connection with 1009
  std::size_t queue_bytes = 32 * 1024 * 1024;        // a handler that queues more for one peer loses the peer
  std::chrono::milliseconds header_timeout{10'000};  // from the first byte of a request to the end of its
                                                     // header; as long again for a TLS handshake before it
  std::chrono::milliseconds body_timeout{30'000};    // without a byte of the body that we are ready to read
  std::chrono::milliseconds keep_alive_timeout{75'000};   // idle between requests
  std::chrono::milliseconds stall_timeout{30'000};        // bytes are queued and the peer takes none
  std::chrono::milliseconds ping_interval{20'000};        // silence before a WebSocket ping
  std::chrono::milliseconds pong_timeout{20'000};         // silence after it
  std::chrono::milliseconds close_timeout{5'000};         // for the peer's half of a closing handshake
  std::chrono::milliseconds drain_idle_timeout{5'000};    // reading on after a refusal: without a byte
  std::chrono::milliseconds drain_total_timeout{60'000};  // and altogether
  // stop() ends WebSockets and streams one by one within this time, so that those who come back do not come
  // all at once; few connections take less, 2 ms each.
  std::chrono::milliseconds drain_window{2'000};
  std::chrono::milliseconds stop_timeout{3'000};  // after that, until the last connection is cut
  // A WebSocket on which no message came or went for so long is closed; 0: never.
  std::chrono::milliseconds websocket_idle_timeout{0};
  // An upload that brings less, over a window in which we were ready to read, is ended; 0: never.
  std::size_t upload_bytes_per_second = 1024;
  std::chrono::milliseconds upload_rate_window{30'000};
};

struct EdgeConfig {
  // "HOST:PORT", "[::1]:8000", ":8000" (every address). Port 0 picks one. "localhost" listens on 127.0.0.1
  // and ::1. "https://HOST:PORT" speaks TLS there.
  std::vector<std::string> listen;
  // Listening TCP sockets that were inherited; taken over by listen().
  std::vector<int> listen_fds;
  std::vector<int> tls_listen_fds;
  TlsFiles tls;  // needed when any of them speaks TLS
  // Several processes share the ports (SO_REUSEPORT). A port held by a program without that option is still
  // busy.
  bool reuse_port = false;
  // Does everything; required of requests that arrive on an address beyond loopback, if there are no others.
  std::string access_token;
  bool open_loopback = false;   // this machine's own programs need no token, even when there are some
  bool limit_loopback = false;  // and without one they are bound by `usage` like any other address
  std::vector<std::string> trusted_proxies;  // addresses whose X-Forwarded-For is believed
  UsageLimits usage;
  std::vector<std::string> allowed_hosts;    // names beyond the loopback ones, without a port
  std::vector<std::string> allowed_origins;  // "https://example.org", beside the request's own
  std::vector<std::string> cors_origins;     // whose pages may also read the answers; "*" for any
  std::string static_root;                   // folder of the page; empty for none
  bool websocket_compression = false;        // permessage-deflate for clients that offer it
  EdgeLimits limits;
};

// The sockets that systemd's LISTEN_FDS / LISTEN_PID hand to this process; those with the name "https"
// (FileDescriptorName=, LISTEN_FDNAMES) are for TLS.
struct SystemdSockets {
  std::vector<int> plain, tls;
};
SystemdSockets systemd_sockets();

// True when "HOST:PORT" names only loopback addresses. Errors: kInvalidArgument.
Result<bool> is_loopback_listen(const std::string& listen);

// Who is let in and who was not, for the status.
struct AccessReport {
  std::size_t tokens = 0;
  bool token_required = false;  // on loopback too
  std::size_t connections = 0;
  UsageLimits limits;
  RefusalCounts refused;
};

class EdgeServer {
 public:
  EdgeServer(boost::asio::io_context& io, EdgeConfig config);
  ~EdgeServer();  // cuts what is still open; sessions get their on_close first
  EdgeServer(const EdgeServer&) = delete;
  EdgeServer& operator=(const EdgeServer&) = delete;

  // Add all routes before listen().
  Router& router();

  // Opens or adopts every listener, then starts to accept. One port for each entry of `listen`, then of
  // `listen_fds` and `tls_listen_fds`. Errors, of which nothing stays open: kInvalidArgument (an address, or
  // no access token though an address is beyond loopback), kUnavailable ("port 8000 is in use").
  Result<std::vector<std::uint16_t>> listen();

  // Reads certificate and key again, for connections to come; those that are open go on as they are.
  // Without a TLS listener there is nothing to do. Errors: kInvalidArgument, and the old ones stay in use.
  Status reload_tls();

  // Stops accepting, ends idle connections at once, WebSockets (1012) and streams within drain_window, lets
  // answers in progress finish, and cuts the rest after stop_timeout. `done` runs once, on the loop, when
  // nothing is open any more.
  void stop(std::function<void()> done = {});

  // The tokens of the tokens file, from now on. Connections of tokens that went are closed.
  void set_tokens(const access::TokenList& tokens);

  AccessReport access() const;
  std::size_t connections() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace answermill::frontend
