// Whether a request may come in at all: Host, Origin and token rules applied to one request. Pure.
#pragma once

#include <string>
#include <string_view>

#include "frontend/server/edge/access_policy.h"
#include "frontend/server/edge/http.h"

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

// status 0: admitted.
Refusal admit(const AccessPolicy& policy, const Request& request, const Arrival& arrival);

// The Set-Cookie value that keeps the token in the browser.
std::string token_cookie(std::string_view token, const ListenScope& scope);

// Asks for a page rather than for data: decides how an error is told.
bool wants_html(const Request& request);

// Names `token` (case-insensitive) among the comma-separated values of a header.
bool header_lists(std::string_view value, std::string_view token);

}  // namespace answermill::frontend
