#include "frontend/server/edge/admission.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace answermill::frontend {
namespace {

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

bool under(std::string_view path, std::string_view folder) {
  return path.substr(0, folder.size()) == folder &&
         (path.size() == folder.size() || path[folder.size()] == '/');
}

}  // namespace

bool is_preflight(const AccessPolicy& policy, const Request& request) {
  return request.method == "OPTIONS" && !request.header("access-control-request-method").empty() &&
         !policy.sharing_with(request.header("origin")).empty();
}

Headers sharing_headers(const AccessPolicy& policy, const Request& request) {
  Headers headers;
  if (!policy.shares()) return headers;
  // A cache must not hand an answer for one origin to another.
  headers.emplace_back("Vary", "Origin");
  std::string origin = policy.sharing_with(request.header("origin"));
  if (origin.empty()) return headers;
  headers.emplace_back("Access-Control-Allow-Origin", std::move(origin));
  headers.emplace_back("Access-Control-Expose-Headers", "X-Stream-Id, Retry-After, X-Request-Id");
  return headers;
}

Headers preflight_headers(const Request& request, std::string_view methods) {
  // Whatever the page wants to send: only the handlers' own headers mean anything here.
  return {{"Access-Control-Allow-Methods", std::string(methods)},
          {"Access-Control-Allow-Headers", std::string(request.header("access-control-request-headers"))},
          {"Access-Control-Max-Age", "600"}};
}

Refusal admit(const AccessPolicy& policy, const Request& request, const Arrival& arrival) {
  const auto hosts = std::count_if(request.headers.begin(), request.headers.end(),
                                   [](const auto& header) { return header.first == "host"; });
  if (hosts > 1) return {400, "The request names more than one host."};
  if (hosts == 0 && !arrival.http10) return {400, "The request names no host."};
  const std::string_view host = request.header("host");
  if (hosts == 1 && !policy.host_allowed(host, arrival.scope)) {
    return {403, "This server does not answer for that host name. Allow it with --allowed-hosts NAME."};
  }
  if (!arrival.authority.empty() && !policy.host_allowed(arrival.authority, arrival.scope)) {
    return {403, "This server is no proxy."};
  }
  const bool reads = request.method == "GET" || request.method == "HEAD" || request.method == "OPTIONS";
  if ((!reads || arrival.upgrade) && !policy.origin_allowed(request.header("origin"), host, arrival.scope)) {
    return {403,
            "A page of another origin may not do this. Allow it with --allowed-origins URL, or "
            "--cors-origins URL."};
  }
  const bool open = request.path == "/healthz" || request.path == "/readyz";
  const bool exempt = open || is_preflight(policy, request);
  if (!arrival.scope.loopback && !exempt && !policy.token_presented(request)) {
    return {401,
            "The access token is missing or wrong. Open the address with ?token=… that the server printed."};
  }
  return {};
}

std::string token_cookie(std::string_view token, const ListenScope& scope) {
  constexpr int kDays = 30;
  return fmt::format("{}={}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict{}", kTokenCookie, token,
                     kDays * 86'400, scope.tls ? "; Secure" : "");
}

bool wants_html(const Request& request) {
  for (const std::string_view folder :
       {"/api", "/ws", "/v1", "/chat", "/fast_chat", "/mcp", "/healthz", "/readyz"}) {
    if (under(request.path, folder)) return false;
  }
  return request.header("accept").find("text/html") != std::string_view::npos;
}

bool header_lists(std::string_view value, std::string_view token) {
  while (!value.empty()) {
    const std::size_t end = std::min(value.find(','), value.size());
    std::string_view item = value.substr(0, end);
    while (!item.empty() && (item.front() == ' ' || item.front() == '\t')) item.remove_prefix(1);
    while (!item.empty() && (item.back() == ' ' || item.back() == '\t')) item.remove_suffix(1);
    if (equals_ignoring_case(item, token)) return true;
    value.remove_prefix(std::min(end + 1, value.size()));
  }
  return false;
}

}  // namespace answermill::frontend
