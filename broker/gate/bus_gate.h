// The broker's gate to the network: listens at the doors of every role, lets in the keys on the list, and
// drops them when the list says so.
//
// ZAP decides at the handshake only. So when a key leaves the list, the doors of its roles are shut and
// opened again: everybody who came in there is cut off, those who may come back do, and the others are
// refused. What a dropped key had sent before that is refused as well, since peer() knows it no more.
//
// Thread: the loop that owns the sockets. Owns: the doorkeeper's thread and the watch on the keys' folder.
#pragma once

#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "shared/base/result.h"
#include "shared/base/unix_fd.h"
#include "shared/bus/address.h"
#include "shared/bus/doorkeeper.h"

namespace answermill::broker {

class BusGate {
 public:
  using Clock = std::chrono::steady_clock;
  using Sockets = std::vector<std::pair<bus::Channel, bus::Socket*>>;

  // What a change of the list did.
  struct Change {
    std::set<std::string> revoked;  // keys
    bus::RoleSet dropped;           // roles all of whose peers were cut off
  };

  // Listens at `address` ("tcp://HOST:PORT"), at the doors of the channels that `sockets` serve. The sockets
  // must be destroyed before the gate. Errors: kInvalidArgument, kUnavailable, kForbidden.
  static Result<std::unique_ptr<BusGate>> open(const std::string& address, const std::string& data,
                                               bus::Context& context, Sockets sockets,
                                               bus::Refusals& refusals);

  // Becomes readable when the keys' folder changed: then call reread().
  int descriptor() const { return watch_.get(); }
  Change reread(Clock::time_point now);
  // Opens the doors that reread() shut, as soon as their ports are free again. True while some are shut.
  bool reopen(Clock::time_point now);

  // Who sent a message, by the user id it came with. A key that has left the list may do nothing.
  bus::Peer peer(const std::string& user) const;

 private:
  struct ShutDoor {
    bus::Door door;
    Clock::time_point since;
    bool complained = false;
  };

  BusGate(bus::NetworkAddress address, std::string data, Sockets sockets);
  Status start(bus::Context& context, bus::Refusals& refusals);
  Status open_door(const bus::Door& door);
  void shut(bus::RoleSet roles, Clock::time_point now);
  bus::Socket* socket_of(bus::Channel channel) const;
  void read_list();

  bus::NetworkAddress address_;
  std::string data_;
  Sockets sockets_;
  bus::KeyPair keys_;
  UniqueFd watch_;
  std::unordered_map<std::string, bus::RoleSet> allowed_;  // by key
  std::vector<ShutDoor> shut_;
  std::unique_ptr<bus::Doorkeeper> keeper_;
};

}  // namespace answermill::broker
