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

// status 0: admitted.
Refusal admit(const AccessPolicy& policy, const Request& request, const Arrival& arrival);

// The Set-Cookie value that keeps the token in the browser.
std::string token_cookie(std::string_view token);

// Asks for a page rather than for data: decides how an error is told.
bool wants_html(const Request& request);

// Names `token` (case-insensitive) among the comma-separated values of a header.
bool header_lists(std::string_view value, std::string_view token);

}  // namespace answermill::frontend
