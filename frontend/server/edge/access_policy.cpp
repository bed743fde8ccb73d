#include "frontend/server/edge/access_policy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

namespace answermill::frontend {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

bool contains(const std::vector<std::string>& list, std::string_view value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

std::string machine_name() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return {};
  return lower(name.data());
}

}  // namespace

std::string host_of(std::string_view authority) {
  std::string_view host = authority;
  std::string_view port;
  if (!host.empty() && host.front() == '[') {
    const std::size_t bracket = host.find(']');
    if (bracket == std::string_view::npos) return {};
    port = host.substr(bracket + 1);
    host = host.substr(1, bracket - 1);
    if (!port.empty() && port.front() != ':') return {};
    if (!port.empty()) port.remove_prefix(1);
  } else if (const std::size_t colon = host.find(':'); colon != std::string_view::npos) {
    port = host.substr(colon + 1);
    host = host.substr(0, colon);
  }
  if (!std::all_of(port.begin(), port.end(), [](unsigned char c) { return std::isdigit(c) != 0; })) return {};
  if (!host.empty() && host.back() == '.') host.remove_suffix(1);
  const bool plain = std::all_of(host.begin(), host.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '.' || c == '_' || c == ':';
  });
  return plain ? lower(host) : std::string();
}

bool is_loopback_host(std::string_view host) {
  if (host == "localhost" || host == "::1") return true;
  in_addr address{};
  return inet_pton(AF_INET, std::string(host).c_str(), &address) == 1 && (ntohl(address.s_addr) >> 24) == 127;
}

bool is_ip_literal(std::string_view host) {
  in_addr v4{};
  in6_addr v6{};
  const std::string text(host);
  return inet_pton(AF_INET, text.c_str(), &v4) == 1 || inet_pton(AF_INET6, text.c_str(), &v6) == 1;
}

std::string_view cookie_value(std::string_view header, std::string_view name) {
  while (!header.empty()) {
    const std::size_t end = std::min(header.find(';'), header.size());
    std::string_view pair = header.substr(0, end);
    while (!pair.empty() && pair.front() == ' ') pair.remove_prefix(1);
    if (pair.size() > name.size() && pair.substr(0, name.size()) == name && pair[name.size()] == '=') {
      return pair.substr(name.size() + 1);
    }
    header.remove_prefix(std::min(end + 1, header.size()));
  }
  return {};
}

AccessPolicy::AccessPolicy(std::vector<std::string> hosts, std::vector<std::string> origins) {
  for (const auto& host : hosts) allow_host(host);
  for (const auto& origin : origins) origins_.push_back(lower(origin));
}

void AccessPolicy::allow_host(std::string host) {
  std::string clean = is_ip_literal(host) ? lower(host) : host_of(host);
  if (!clean.empty() && !contains(hosts_, clean)) hosts_.push_back(std::move(clean));
}

bool AccessPolicy::host_allowed(std::string_view host, const ListenScope& scope) const {
  const std::string name = host_of(host);
  if (name.empty()) return false;
  if (is_loopback_host(name) || contains(hosts_, name)) return true;
  // Rebinding needs a name under the attacker's control: an address, or our own name, is not one.
  return scope.wildcard && (is_ip_literal(name) || name == machine_name());
}

bool AccessPolicy::origin_allowed(std::string_view origin, std::string_view host,
                                  const ListenScope& scope) const {
  if (origin.empty()) return true;
  const std::string value = lower(origin);
  if (contains(origins_, value) || !sharing_with(origin).empty()) return true;
  const std::string authority = lower(host);
  if (authority.empty()) return false;
  return value == "https://" + authority || (!scope.tls && value == "http://" + authority);
}

void AccessPolicy::share_with(std::string_view origin) {
  if (origin == "*") {
    share_with_all_ = true;
  } else {
    shared_.push_back(lower(origin));
  }
}

std::string AccessPolicy::sharing_with(std::string_view origin) const {
  if (origin.empty()) return {};
  if (share_with_all_) return "*";
  return contains(shared_, lower(origin)) ? std::string(origin) : std::string();
}

}  // namespace answermill::frontend
