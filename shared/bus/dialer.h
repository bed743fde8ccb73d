// How a process reaches the broker: over the host's own sockets, or from another host with a key.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "shared/base/result.h"
#include "shared/bus/address.h"
#include "shared/bus/socket.h"

namespace answermill::bus {

using Endpoints = std::map<Channel, std::string>;

class Dialer {
 public:
  // Within the host. Errors: kInvalidArgument for a missing endpoint, kForbidden for one that leaves the
  // host.
  static Result<Dialer> local(Endpoints endpoints);
  // Over the network, in one of the roles the key has. `bus` is "tcp://HOST:PORT". Errors: kInvalidArgument,
  // kForbidden (another role, or a key file that others can read), kNotFound.
  static Result<Dialer> remote(const std::string& bus, const std::string& key_file, Role role);
  // What the flags say: --bus with --bus-key wins over the host's endpoints.
  static Result<Dialer> from_flags(const std::string& bus, const std::string& key_file, Role role,
                                   const Endpoints& endpoints);

  bool over_network() const { return credentials_.has_value(); }
  Status connect(Socket& socket, Channel channel) const;
  void disconnect(Socket& socket, Channel channel) const;
  std::string endpoint(Channel channel) const;  // empty for none

 private:
  Endpoints endpoints_;
  std::optional<Credentials> credentials_;
};

}  // namespace answermill::bus
