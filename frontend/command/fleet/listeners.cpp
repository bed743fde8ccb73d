#include "frontend/command/fleet/listeners.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

namespace answermill::command {
namespace {

constexpr int kBacklog = 4096;  // whoever comes back in a storm and finds it full waits a second

Error bad(std::string message) { return Error{ErrorCode::kInvalidArgument, std::move(message)}; }

using AddressList = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

Result<AddressList> resolve(const Address& address, const std::string& given) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(address.port);
  const int problem =
      ::getaddrinfo(address.host.empty() ? nullptr : address.host.c_str(), port.c_str(), &hints, &found);
  if (problem != 0) return bad(fmt::format("cannot listen on {}: {}", given, ::gai_strerror(problem)));
  return AddressList(found, &::freeaddrinfo);
}

bool is_loopback(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    return (ntohl(reinterpret_cast<const sockaddr_in*>(address)->sin_addr.s_addr) >> 24U) == 127;
  }
  return IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr) != 0;
}

void set_port(sockaddr* address, std::uint16_t port) {
  if (address->sa_family == AF_INET) reinterpret_cast<sockaddr_in*>(address)->sin_port = htons(port);
  if (address->sa_family == AF_INET6) reinterpret_cast<sockaddr_in6*>(address)->sin6_port = htons(port);
}

std::uint16_t bound_port(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  return ntohs(address.ss_family == AF_INET ? reinterpret_cast<sockaddr_in&>(address).sin_port
                                            : reinterpret_cast<sockaddr_in6&>(address).sin6_port);
}

// errno tells why not when the result is empty.
UniqueFd bind_one(const addrinfo& one) {
  UniqueFd fd(::socket(one.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int on = 1;
  if (!fd) return {};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (one.ai_family == AF_INET6) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (::bind(fd.get(), one.ai_addr, one.ai_addrlen) != 0 || ::listen(fd.get(), kBacklog) != 0) {
    const int why = errno;
    fd.reset();
    errno = why;
  }
  return fd;
}

// This machine's first address that others can reach; empty when it has none.
std::string first_outside_address() {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return {};
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(list, &::freeifaddrs);
  for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != AF_INET || (one->ifa_flags & IFF_UP) == 0)
      continue;
    if (is_loopback(one->ifa_addr)) continue;
    char text[INET_ADDRSTRLEN];
    const auto* address = reinterpret_cast<const sockaddr_in*>(one->ifa_addr);
    if (::inet_ntop(AF_INET, &address->sin_addr, text, sizeof text) != nullptr) return text;
  }
  return {};
}

bool is_wildcard(const std::string& host) { return host.empty() || host == "0.0.0.0" || host == "::"; }

std::string bracketed(const std::string& host) {
  return host.find(':') == std::string::npos ? host : "[" + host + "]";
}

std::string_view scheme_of(const Listener& listener) { return listener.tls ? "https" : "http"; }

void name_listener(Listener& listener, const std::string& host, bool has_ipv4) {
  const std::string local = has_ipv4 ? "127.0.0.1" : "[::1]";
  if (is_wildcard(host)) {
    const std::string outside = first_outside_address();
    listener.url_host = outside.empty() ? local : outside;
    listener.probe_url = fmt::format("{}://{}:{}", scheme_of(listener), local, listener.port);
  } else {
    listener.url_host = bracketed(host);
    listener.probe_url = fmt::format("{}://{}:{}", scheme_of(listener),
                                     host == "localhost" ? local : listener.url_host, listener.port);
  }
}

}  // namespace

Result<Address> parse_address(const std::string& listen) {
  constexpr std::string_view kTls = "https://";
  Address address;
  address.tls = listen.rfind(kTls, 0) == 0;
  const std::size_t begin = address.tls ? kTls.size() : 0;
  const std::size_t colon = listen.rfind(':');
  if (colon == std::string::npos || colon < begin)
    return bad(fmt::format("--listen {}: write HOST:PORT or https://HOST:PORT", listen));
  address.host = listen.substr(begin, colon - begin);
  if (address.host.size() >= 2 && address.host.front() == '[' && address.host.back() == ']') {
    address.host = address.host.substr(1, address.host.size() - 2);
  } else if (address.host.find(':') != std::string::npos) {
    return bad(fmt::format("--listen {}: write an IPv6 address in brackets, [::1]:8000", listen));
  }
  const char* end = listen.data() + listen.size();
  const auto [stop, problem] = std::from_chars(listen.data() + colon + 1, end, address.port);
  if (problem != std::errc{} || stop != end) {
    return bad(fmt::format("--listen {}: the port is a number from 0 to 65535", listen));
  }
  return address;
}

Result<Listener> open_listener(const std::string& listen) {
  const Result<Address> address = parse_address(listen);
  if (!address) return address.error();
  const Result<AddressList> found = resolve(*address, listen);
  if (!found) return found.error();
  Listener listener;
  listener.given = listen;
  listener.port = address->port;
  listener.tls = address->tls;
  bool has_ipv4 = false;
  int why = 0;
  for (const int family : {AF_INET, AF_INET6}) {
    for (addrinfo* one = found->get(); one != nullptr; one = one->ai_next) {
      if (one->ai_family != family) continue;
      set_port(one->ai_addr, listener.port);  // with port 0 the second family follows the first one's choice
      UniqueFd fd = bind_one(*one);
      if (!fd) {
        why = errno;
        if (why == EADDRINUSE || why == EACCES) break;
        continue;
      }
      listener.port = bound_port(fd.get());
      listener.loopback = listener.loopback && is_loopback(one->ai_addr);
      has_ipv4 = has_ipv4 || family == AF_INET;
      listener.sockets.push_back(std::move(fd));
      break;
    }
    if (why == EADDRINUSE) {
      return Error{ErrorCode::kConflict, fmt::format("port {} is in use by another program", listener.port)};
    }
  }
  if (listener.sockets.empty())
    return bad(fmt::format("cannot listen on {}: {}", listen, std::strerror(why)));
  name_listener(listener, address->host, has_ipv4);
  return listener;
}

std::string public_url(const Listener& listener, const std::string& token) {
  const std::string url = fmt::format("{}://{}:{}", scheme_of(listener), listener.url_host, listener.port);
  return token.empty() || listener.loopback ? url : fmt::format("{}/?token={}", url, token);
}

}  // namespace answermill::command
