// Listening sockets: opened from "HOST:PORT" or "https://HOST:PORT", or adopted from the process that started
// us.
//
// Errors: kInvalidArgument for an address that cannot be meant, kUnavailable for a port that is taken.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/server/edge/access_policy.h"
#include "shared/base/result.h"
#include "shared/base/unix_fd.h"

namespace answermill::frontend {

struct ListenAddress {
  std::string host;  // without brackets; empty for every address
  std::uint16_t port = 0;
  bool tls = false;
};
Result<ListenAddress> parse_listen(std::string_view text);

struct Listener {
  UniqueFd fd;  // non-blocking, close-on-exec
  ListenScope scope;
  std::string host;  // the address as text, for the Host rule
  std::uint16_t port = 0;
};

// "localhost" gives one socket for each loopback address, on the same port. Resolving a name may block.
Result<std::vector<Listener>> open_listeners(std::string_view text, bool reuse_port);

// Takes over a listening TCP socket.
Result<Listener> adopt_listener(int fd);

}  // namespace answermill::frontend
