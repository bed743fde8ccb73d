// The listening sockets of the fleet: bound once here and inherited by every frontend, so several of them
// share a port and a restarted one misses no connection.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shared/base/result.h"
#include "shared/base/unix_fd.h"

namespace answermill::command {

struct Address {
  std::string host;  // without brackets; empty for every address
  std::uint16_t port = 0;
  bool tls = false;
};

// "HOST:PORT", "[::1]:8000", ":8000", "https://HOST:PORT". Errors: kInvalidArgument.
Result<Address> parse_address(const std::string& listen);

struct Listener {
  std::string given;              // the --listen it comes from
  std::vector<UniqueFd> sockets;  // close-on-exec; "localhost" and "" give one for each of IPv4 and IPv6
  std::uint16_t port = 0;         // the real one
  std::string url_host;           // what a browser on this machine (or network) should use
  std::string probe_url;          // always reachable from this machine: "http://127.0.0.1:8000"
  bool loopback = true;
  bool tls = false;
};

// Errors: kConflict ("port 8000 is in use …"), kInvalidArgument (no such address).
Result<Listener> open_listener(const std::string& listen);

// "http://HOST:PORT" or "https://…", with "/?token=…" when there is a token.
std::string public_url(const Listener& listener, const std::string& token);

}  // namespace answermill::command
