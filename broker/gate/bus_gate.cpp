#include "broker/gate/bus_gate.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "shared/log/log.h"

namespace answermill::broker {
namespace {
constexpr std::chrono::seconds kShutPatience{5};
}

Result<std::unique_ptr<BusGate>> BusGate::open(const std::string& address, const std::string& data,
                                               bus::Context& context, Sockets sockets,
                                               bus::Refusals& refusals) {
  auto parsed = bus::parse_network_address(address, bus::first_ephemeral_port());
  if (!parsed) return parsed.error();
  std::unique_ptr<BusGate> gate(new BusGate(std::move(*parsed), data, std::move(sockets)));
  if (auto started = gate->start(context, refusals); !started) return started.error();
  return gate;
}

BusGate::BusGate(bus::NetworkAddress address, std::string data, Sockets sockets)
    : address_(std::move(address)), data_(std::move(data)), sockets_(std::move(sockets)) {}

Status BusGate::start(bus::Context& context, bus::Refusals& refusals) {
  auto keys = bus::broker_keys(data_);
  if (!keys) return keys.error();
  keys_ = std::move(*keys);
  watch_.reset(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  const std::string folder = bus::keys_folder(data_);
  if (!watch_ ||
      ::inotify_add_watch(watch_.get(), folder.c_str(), IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE) < 0)
    return Error{ErrorCode::kUnavailable, "cannot watch " + folder + ": " + std::strerror(errno)};
  auto keeper = bus::Doorkeeper::start(context, refusals);
  if (!keeper) return keeper.error();
  keeper_ = std::move(*keeper);
  for (const auto& [channel, socket] : sockets_) keeper_->watch(*socket);
  read_list();
  for (const auto& door : bus::all_doors()) {
    if (auto opened = open_door(door); !opened) return opened;
  }
  log::info("event=bus_open address=tcp://{}:{} ports={} keys={} public={}", address_.host, address_.port,
            bus::all_doors().size(), allowed_.size(), keys_.public_key);
  return {};
}

bus::Socket* BusGate::socket_of(bus::Channel channel) const {
  for (const auto& [served, socket] : sockets_) {
    if (served == channel) return socket;
  }
  return nullptr;
}

Status BusGate::open_door(const bus::Door& door) {
  bus::Socket* socket = socket_of(door.channel);
  if (socket == nullptr) return {};
  return socket->bind_secure(bus::endpoint_of(address_, door.role, door.channel), keys_.secret_key,
                             std::string(bus::to_string(door.role)));
}

void BusGate::read_list() {
  auto list = bus::read_allow_list(bus::allow_list_path(data_));
  if (!list) {  // nobody is let in on a list that cannot be read
    log::error("event=keys_unreadable message=\"{}\"", list.error().message);
    list = bus::AllowList{};
  }
  if (list->damaged > 0) log::error("event=keys_damaged lines={}", list->damaged);
  allowed_.clear();
  for (const auto& key : list->keys) allowed_[key.public_key] = key.roles;
  keeper_->allow(std::move(*list));
}

BusGate::Change BusGate::reread(Clock::time_point now) {
  std::array<char, 4096> events{};
  while (::read(watch_.get(), events.data(), events.size()) > 0) {
  }
  const auto before = allowed_;
  read_list();
  Change change;
  for (const auto& [key, roles] : before) {
    const auto still = allowed_.find(key);
    if (still != allowed_.end() && still->second == roles) continue;
    change.revoked.insert(key);  // one whose roles changed comes in again with the new ones
    change.dropped.add(roles);
  }
  if (before != allowed_) {
    log::info("event=keys_changed keys={} revoked={} dropped={}", allowed_.size(), change.revoked.size(),
              change.dropped.text());
  }
  shut(change.dropped, now);
  return change;
}

void BusGate::shut(bus::RoleSet roles, Clock::time_point now) {
  for (const auto& door : bus::all_doors()) {
    bus::Socket* socket = socket_of(door.channel);
    if (!roles.has(door.role) || socket == nullptr) continue;
    bool already = false;
    for (const auto& shut : shut_)
      already = already || (shut.door.role == door.role && shut.door.channel == door.channel);
    if (already) continue;
    socket->unbind(bus::endpoint_of(address_, door.role, door.channel));
    shut_.push_back({door, now});
  }
}

// ZeroMQ closes a listening socket in the background: its port is ours again within milliseconds.
bool BusGate::reopen(Clock::time_point now) {
  for (auto shut = shut_.begin(); shut != shut_.end();) {
    const auto opened = open_door(shut->door);
    if (opened) {
      shut = shut_.erase(shut);
      continue;
    }
    if (now - shut->since > kShutPatience && !std::exchange(shut->complained, true))
      log::error("event=door_stays_shut message=\"{}\"", opened.error().message);
    ++shut;
  }
  return !shut_.empty();
}

bus::Peer BusGate::peer(const std::string& user) const {
  if (user.empty()) return {};
  const auto known = allowed_.find(user);
  return {user, known == allowed_.end() ? bus::RoleSet() : known->second};
}

}  // namespace answermill::broker
