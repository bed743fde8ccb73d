// Where the bus is on the network: one address stands for a block of consecutive ports, one for each channel
// of each role, so that a role's peers can be dropped without touching anybody else's.
//
//   port + 0…4   frontend: jobs, work, events, worker-events, query
//   port + 5…7   extract:  work, worker-events, blobs
//   port + 8…10  embed, + 11…13 index, + 14…16 generate: the same three
//   port + 17    operator: query
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/result.h"
#include "shared/bus/role.h"

namespace answermill::bus {

enum class Channel : std::uint8_t {
  kJobs,          // PULL of the broker: submissions
  kWork,          // ROUTER: workers
  kEvents,        // XPUB: frontends listen
  kWorkerEvents,  // XSUB: workers publish
  kQuery,         // ROUTER: replay
  kBlobs,         // ROUTER: documents for workers without the data folder
};

struct Door {
  Role role;
  Channel channel;
};

// In the order of their ports.
const std::vector<Door>& all_doors();

struct NetworkAddress {
  std::string host;  // as given: "*", "0.0.0.0", "host.example", "[::1]"
  std::uint16_t port = 0;
};

// "tcp://HOST:PORT". The whole block of ports must lie between 1024 and `first_ephemeral`: above it the
// kernel could have lent a port to an outgoing connection. Errors: kInvalidArgument.
Result<NetworkAddress> parse_network_address(std::string_view text, std::uint16_t first_ephemeral);

// Of this machine's kernel (net.ipv4.ip_local_port_range); 32768 where that cannot be read.
std::uint16_t first_ephemeral_port();

// "tcp://HOST:PORT" of a door; empty when the role has no such channel.
std::string endpoint_of(const NetworkAddress& address, Role role, Channel channel);

}  // namespace answermill::bus
