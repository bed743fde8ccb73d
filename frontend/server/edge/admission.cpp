#include "frontend/server/edge/admission.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "frontend/server/edge/uri.h"

namespace answermill::frontend {
namespace {

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
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
  return {};
}

std::string_view bearer_token(const Request& request) {
  constexpr std::string_view kBearer = "bearer ";
  const std::string_view authorization = request.header("authorization");
  if (!equals_ignoring_case(authorization.substr(0, kBearer.size()), kBearer)) return {};
  return trimmed(authorization.substr(kBearer.size()));
}

ShownToken shown_token(const TokenRing& tokens, const Request& request) {
  if (const std::string_view token = bearer_token(request); !token.empty()) {
    if (auto grant = tokens.find(token)) return {std::move(grant)};
  }
  if (const auto token = request.query_value("token"); token && !token->empty()) {
    if (auto grant = tokens.find(*token)) return {std::move(grant), true};
  }
  const std::string_view cookie = cookie_value(request.header("cookie"), kTokenCookie);
  if (cookie.empty()) return {};
  return {tokens.find(cookie)};
}

bool needs_token(const TokenRing& tokens, const ListenScope& scope, bool open_loopback) {
  return !scope.loopback || (tokens.has_file() && !open_loopback);
}

std::string client_address(const std::vector<std::string>& proxies, const Request& request,
                           const std::string& peer) {
  const auto is_proxy = [&proxies](std::string_view address) {
    return std::find(proxies.begin(), proxies.end(), address) != proxies.end();
  };
  if (!is_proxy(peer)) return peer;
  // Several header lines mean one list, in their order.
  std::vector<std::string_view> hops;
  for (const auto& [name, value] : request.headers) {
    if (name != "x-forwarded-for") continue;
    std::string_view rest = value;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find(','), rest.size());
      hops.push_back(trimmed(rest.substr(0, end)));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  for (auto hop = hops.rbegin(); hop != hops.rend(); ++hop) {
    if (!is_ip_literal(*hop)) break;
    if (!is_proxy(*hop)) return std::string(*hop);
  }
  return peer;
}

std::string token_cookie(std::string_view token, bool tls) {
  constexpr int kDays = 30;
  return fmt::format("{}={}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict{}", kTokenCookie, token,
                     token.empty() ? 0 : kDays * 86'400, tls ? "; Secure" : "");
}

bool wants_html(const Request& request) {
  for (const std::string_view folder :
       {"/api", "/ws", "/v1", "/chat", "/fast_chat", "/mcp", "/healthz", "/readyz"}) {
    if (is_under(request.path, folder)) return false;
  }
  return request.header("accept").find("text/html") != std::string_view::npos;
}

bool header_lists(std::string_view value, std::string_view token) {
  while (!value.empty()) {
    const std::size_t end = std::min(value.find(','), value.size());
    if (equals_ignoring_case(trimmed(value.substr(0, end)), token)) return true;
    value.remove_prefix(std::min(end + 1, value.size()));
  }
  return false;
}

}  // namespace answermill::frontend
