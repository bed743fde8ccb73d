// Whether a request may come in at all: Host, Origin and token rules applied to one request. Pure.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/server/edge/access_policy.h"
#include "frontend/server/edge/http.h"
#include "frontend/server/edge/token_ring.h"

namespace answermill::frontend {

struct Arrival {
  ListenScope scope;
  std::string_view authority;  // of an absolute-form target; empty otherwise
  bool http10 = false;
  bool upgrade = false;  // asks for a WebSocket
};

// A browser asks whether a page of another origin may send what it is about to send
// (https://fetch.spec.whatwg.org/#cors-preflight-fetch). It carries no token.
bool is_preflight(const AccessPolicy& policy, const Request& request);
// What lets a page of another origin read an answer; empty when there is none, or it may not.
Headers sharing_headers(const AccessPolicy& policy, const Request& request);
// The answer to a preflight, beside those. `methods` are what the path takes.
Headers preflight_headers(const Request& request, std::string_view methods);

// The Host and Origin rules.
Refusal admit(const AccessPolicy& policy, const Request& request, const Arrival& arrival);

// What a request shows: Bearer header, `token` in the query, or the cookie; the first that is known counts.
struct ShownToken {
  std::shared_ptr<const Grant> grant;  // null: none, or a wrong one
  bool in_query = false;               // the grant's token came in the address
};
ShownToken shown_token(const TokenRing& tokens, const Request& request);

// Whether who comes in here has to show one. `open_loopback`: this machine's programs never do.
bool needs_token(const TokenRing& tokens, const ListenScope& scope, bool open_loopback);

// The client's address: the peer's, or, behind a proxy of ours, the last one in X-Forwarded-For that is no
// proxy of ours. Source: RFC 7239 section 7.4 (only what our own proxies added can be believed).
std::string client_address(const std::vector<std::string>& proxies, const Request& request,
                           const std::string& peer);

// The token in `Authorization: Bearer TOKEN`; empty when there is none.
std::string_view bearer_token(const Request& request);

// The Set-Cookie value that keeps the token in the browser; for an empty token, the one that takes it out.
std::string token_cookie(std::string_view token, bool tls);

// Asks for a page rather than for data: decides how an error is told.
bool wants_html(const Request& request);

// Names `token` (case-insensitive) among the comma-separated values of a header.
bool header_lists(std::string_view value, std::string_view token);

}  // namespace answermill::frontend
