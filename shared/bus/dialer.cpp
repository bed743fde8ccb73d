#include "shared/bus/dialer.h"

#include "shared/bus/keys.h"

namespace answermill::bus {

Result<Dialer> Dialer::local(Endpoints endpoints) {
  Dialer dialer;
  for (const auto& [channel, endpoint] : endpoints) {
    if (endpoint.empty()) {
      return Error{ErrorCode::kInvalidArgument,
                   "an endpoint of the bus is missing: give all --…-endpoint flags, or --bus and --bus-key"};
    }
    if (auto allowed = check_within_host(endpoint); !allowed) return allowed.error();
  }
  dialer.endpoints_ = std::move(endpoints);
  return dialer;
}

Result<Dialer> Dialer::remote(const std::string& bus, const std::string& key_file, Role role) {
  if (key_file.empty()) {
    return Error{ErrorCode::kForbidden,
                 "--bus " + bus +
                     " needs --bus-key FILE: the network carries the bus only encrypted. Make a key "
                     "on the broker's host with: answermill keys new NAME --role " +
                     std::string(to_string(role))};
  }
  // The ports are the other host's: only the block as a whole must fit.
  const auto address = parse_network_address(bus, UINT16_MAX);
  if (!address) return address.error();
  const auto key = read_key_file(key_file);
  if (!key) return key.error();
  if (key->broker.empty()) {
    return Error{ErrorCode::kInvalidArgument, key_file + ": names no broker; is it the broker's own key?"};
  }
  if (!key->roles.has(role)) {
    return Error{ErrorCode::kForbidden, key_file + ": the key " + key->name + " is for " + key->roles.text() +
                                            ", not for " + std::string(to_string(role))};
  }
  Dialer dialer;
  dialer.credentials_ = Credentials{key->pair, key->broker};
  for (const Door& door : all_doors()) {
    if (door.role == role) dialer.endpoints_[door.channel] = endpoint_of(*address, role, door.channel);
  }
  return dialer;
}

Result<Dialer> Dialer::from_flags(const std::string& bus, const std::string& key_file, Role role,
                                  const Endpoints& endpoints) {
  if (!bus.empty()) return remote(bus, key_file, role);
  return local(endpoints);
}

std::string Dialer::endpoint(Channel channel) const {
  const auto found = endpoints_.find(channel);
  return found == endpoints_.end() ? std::string() : found->second;
}

void Dialer::disconnect(Socket& socket, Channel channel) const { socket.disconnect(endpoint(channel)); }

Status Dialer::connect(Socket& socket, Channel channel) const {
  const auto endpoint = endpoints_.find(channel);
  if (endpoint == endpoints_.end())
    return Error{ErrorCode::kForbidden, "this role has no such channel of the bus"};
  return credentials_ ? socket.connect_secure(endpoint->second, *credentials_)
                      : socket.connect(endpoint->second);
}

}  // namespace answermill::bus
