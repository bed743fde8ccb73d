#include "frontend/server/edge/listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>

#include "frontend/server/edge/server.h"

namespace answermill::frontend {
namespace {

constexpr int kBacklog = 4096;  // the kernel caps it at net.core.somaxconn

using AddressList = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = sizeof(sockaddr_storage);
  sockaddr* raw() { return reinterpret_cast<sockaddr*>(&storage); }
};

bool is_loopback_address(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    return (ntohl(v4.sin_addr.s_addr) >> 24) == 127;
  }
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
  if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) return v6.sin6_addr.s6_addr[12] == 127;
  return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
}

bool is_wildcard_address(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET)
    return reinterpret_cast<const sockaddr_in&>(address).sin_addr.s_addr == INADDR_ANY;
  return IN6_IS_ADDR_UNSPECIFIED(&reinterpret_cast<const sockaddr_in6&>(address).sin6_addr);
}

// Reads from the socket itself where it listens, so that inherited and opened ones are judged alike.
Result<Listener> describe(UniqueFd fd) {
  SocketAddress bound;
  if (getsockname(fd.get(), bound.raw(), &bound.length) != 0 ||
      (bound.storage.ss_family != AF_INET && bound.storage.ss_family != AF_INET6)) {
    return Error{ErrorCode::kInvalidArgument, fmt::format("descriptor {} is not a TCP socket", fd.get())};
  }
  Listener out;
  out.scope.loopback = is_loopback_address(bound.storage);
  out.scope.wildcard = is_wildcard_address(bound.storage);
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (bound.storage.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(bound.storage);
    inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
    out.port = ntohs(v4.sin_port);
  } else {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(bound.storage);
    inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
    out.port = ntohs(v6.sin6_port);
  }
  out.host = text.data();
  out.fd = std::move(fd);
  return out;
}

Result<Listener> open_one(const addrinfo& info, std::uint16_t port, bool reuse_port, std::string_view shown) {
  SocketAddress address;
  std::memcpy(&address.storage, info.ai_addr, info.ai_addrlen);
  address.length = info.ai_addrlen;
  if (info.ai_family == AF_INET) {
    reinterpret_cast<sockaddr_in&>(address.storage).sin_port = htons(port);
  } else {
    reinterpret_cast<sockaddr_in6&>(address.storage).sin6_port = htons(port);
  }
  UniqueFd fd(::socket(info.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd)
    return Error{ErrorCode::kUnavailable, fmt::format("no socket for {}: {}", shown, std::strerror(errno))};
  const int on = 1;
  const int dual_stack = is_wildcard_address(address.storage) ? 0 : 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (reuse_port) setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
  if (info.ai_family == AF_INET6)
    setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &dual_stack, sizeof(dual_stack));
  if (::bind(fd.get(), address.raw(), address.length) != 0 || ::listen(fd.get(), kBacklog) != 0) {
    if (errno == EADDRINUSE) return Error{ErrorCode::kUnavailable, fmt::format("port {} is in use", port)};
    if (errno == EACCES)
      return Error{ErrorCode::kUnavailable, fmt::format("port {} needs more privileges", port)};
    return Error{ErrorCode::kUnavailable,
                 fmt::format("cannot listen on {}: {}", shown, std::strerror(errno))};
  }
  return describe(std::move(fd));
}

AddressList resolve(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.empty() ? nullptr : host.c_str(), "0", &hints, &found) != 0) found = nullptr;
  return {found, &freeaddrinfo};
}

// Tries `hosts` on one port. A family that this machine lacks is left out as long as one address works.
Result<std::vector<Listener>> open_all(const std::vector<std::string>& hosts, std::uint16_t port,
                                       bool reuse_port, std::string_view shown) {
  std::vector<Listener> out;
  Error last{ErrorCode::kInvalidArgument, fmt::format("cannot resolve the address in '{}'", shown)};
  for (const auto& host : hosts) {
    const AddressList addresses = resolve(host);
    if (!addresses) continue;
    auto listener = open_one(*addresses, port, reuse_port, shown);
    if (listener) {
      port = listener->port;
      out.push_back(*std::move(listener));
    } else {
      last = listener.error();
      if (last.message.find("in use") != std::string::npos) return last;
    }
  }
  if (out.empty()) return last;
  return out;
}

}  // namespace

Result<ListenAddress> parse_listen(std::string_view text) {
  const Error bad{ErrorCode::kInvalidArgument,
                  fmt::format("'{}' is no address to listen on; write HOST:PORT, [::1]:8000, :8000 or "
                              "https://HOST:PORT",
                              text)};
  constexpr std::string_view kTls = "https://";
  ListenAddress out;
  out.tls = text.substr(0, kTls.size()) == kTls;
  if (out.tls) text.remove_prefix(kTls.size());
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return bad;
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), out.port);
  if (error != std::errc() || end != port.data() + port.size()) return bad;
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    if (host.empty()) return bad;
  } else if (host.find_first_of(":[]/ ") != std::string_view::npos) {
    return bad;
  }
  if (host == "*") host = {};
  out.host = host;
  return out;
}

Result<std::vector<Listener>> open_listeners(std::string_view text, bool reuse_port) {
  const auto address = parse_listen(text);
  if (!address) return address.error();
  const auto open = [&](const std::vector<std::string>& hosts) {
    return open_all(hosts, address->port, reuse_port, text);
  };
  auto opened = Result<std::vector<Listener>>(std::vector<Listener>{});
  if (address->host == "localhost") {
    opened = open({"127.0.0.1", "::1"});
  } else if (!address->host.empty()) {
    opened = open({address->host});
  } else {
    // A dual-stack socket serves IPv4 as well; where IPv6 is switched off, IPv4 alone must do.
    opened = open({"::"});
    if (!opened && opened.error().message.find("in use") == std::string::npos) opened = open({"0.0.0.0"});
  }
  if (!opened) return opened.error();
  for (auto& listener : *opened) listener.scope.tls = address->tls;
  return opened;
}

Result<Listener> adopt_listener(int fd) {
  int listening = 0;
  socklen_t length = sizeof(listening);
  if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) != 0 || listening == 0) {
    return Error{ErrorCode::kInvalidArgument, fmt::format("descriptor {} is not a listening socket", fd)};
  }
  UniqueFd owned(fd);
  fcntl(fd, F_SETFD, fcntl(fd, F_GETFD) | FD_CLOEXEC);
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  return describe(std::move(owned));
}

Result<bool> is_loopback_listen(const std::string& listen) {
  auto address = parse_listen(listen);
  if (!address) return address.error();
  if (is_loopback_host(address->host)) return true;
  if (address->host.empty() || is_ip_literal(address->host)) return false;
  const AddressList found = resolve(address->host);
  if (!found) {
    return Error{ErrorCode::kInvalidArgument, fmt::format("cannot resolve the address in '{}'", listen)};
  }
  SocketAddress first;
  std::memcpy(&first.storage, found->ai_addr, found->ai_addrlen);
  return is_loopback_address(first.storage);
}

SystemdSockets systemd_sockets() {
  const char* count = std::getenv("LISTEN_FDS");
  const char* pid = std::getenv("LISTEN_PID");
  if (count == nullptr || pid == nullptr || std::strtol(pid, nullptr, 10) != getpid()) return {};
  constexpr int kFirst = 3;  // sd_listen_fds(3)
  const char* given = std::getenv("LISTEN_FDNAMES");
  std::string_view names = given == nullptr ? "" : given;
  SystemdSockets out;
  for (int i = 0; i < std::strtol(count, nullptr, 10); ++i) {
    const std::size_t end = std::min(names.find(':'), names.size());
    (names.substr(0, end) == "https" ? out.tls : out.plain).push_back(kFirst + i);
    names.remove_prefix(std::min(end + 1, names.size()));
  }
  return out;
}

}  // namespace answermill::frontend
