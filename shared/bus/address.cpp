#include "shared/bus/address.h"

#include <charconv>
#include <fstream>

namespace answermill::bus {
namespace {

constexpr std::string_view kScheme = "tcp://";
constexpr int kFirstUnprivileged = 1024;
constexpr std::uint16_t kUsualEphemeral = 32768;

}  // namespace

const std::vector<Door>& all_doors() {
  static const std::vector<Door> doors = [] {
    std::vector<Door> made = {{Role::kFrontend, Channel::kJobs},
                              {Role::kFrontend, Channel::kWork},
                              {Role::kFrontend, Channel::kEvents},
                              {Role::kFrontend, Channel::kWorkerEvents},
                              {Role::kFrontend, Channel::kQuery}};
    for (const Role role : {Role::kExtract, Role::kEmbed, Role::kIndex, Role::kGenerate}) {
      made.push_back({role, Channel::kWork});
      made.push_back({role, Channel::kWorkerEvents});
      made.push_back({role, Channel::kBlobs});
    }
    made.push_back({Role::kOperator, Channel::kQuery});
    return made;
  }();
  return doors;
}

Result<NetworkAddress> parse_network_address(std::string_view text, std::uint16_t first_ephemeral) {
  const auto bad = [&](const std::string& why) {
    return Error{ErrorCode::kInvalidArgument, "bus address '" + std::string(text) + "': " + why};
  };
  const auto colon = text.rfind(':');
  if (!text.starts_with(kScheme) || colon < kScheme.size() || colon == std::string_view::npos) {
    return bad("it looks like tcp://HOST:PORT");
  }
  NetworkAddress address{std::string(text.substr(kScheme.size(), colon - kScheme.size())), 0};
  int port = 0;
  const std::string_view digits = text.substr(colon + 1);
  const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  const bool whole = problem == std::errc{} && end == digits.data() + digits.size();
  if (address.host.empty() || !whole) return bad("it looks like tcp://HOST:PORT");
  if (address.host.find(':') != std::string::npos && address.host.front() != '[') {
    return bad("an IPv6 address stands in brackets, as in tcp://[::1]:7400");
  }
  const int most = first_ephemeral - static_cast<int>(all_doors().size());
  if (port < kFirstUnprivileged || port > most) {
    return bad("choose a port from " + std::to_string(kFirstUnprivileged) + " to " + std::to_string(most) +
               ", below those the kernel lends to outgoing connections");
  }
  address.port = static_cast<std::uint16_t>(port);
  return address;
}

std::uint16_t first_ephemeral_port() {
  std::ifstream file("/proc/sys/net/ipv4/ip_local_port_range");
  unsigned low = 0;
  return file >> low && low <= UINT16_MAX ? static_cast<std::uint16_t>(low) : kUsualEphemeral;
}

std::string endpoint_of(const NetworkAddress& address, Role role, Channel channel) {
  unsigned port = address.port;
  for (const Door& door : all_doors()) {
    if (door.role == role && door.channel == channel)
      return std::string(kScheme) + address.host + ":" + std::to_string(port);
    ++port;
  }
  return {};
}

}  // namespace answermill::bus
