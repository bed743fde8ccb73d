// Who may talk to us: the Host and Origin rules. Pure.
//
// Host guards against DNS rebinding (a page whose name was pointed at our address), Origin against other
// pages in the user's browser, tokens (token_ring.h) against everyone else.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "frontend/server/edge/http.h"

namespace answermill::frontend {

// Where a connection came in.
struct ListenScope {
  bool loopback = true;
  bool wildcard = false;  // 0.0.0.0 or [::]: any of this machine's addresses
  bool tls = false;
};

inline constexpr std::string_view kTokenCookie = "answermill_token";

class AccessPolicy {
 public:
  AccessPolicy(std::vector<std::string> hosts, std::vector<std::string> origins);

  // A name or address that we listen on; allowed as Host from then on.
  void allow_host(std::string host);

  // `host` is the header's value, with or without a port.
  bool host_allowed(std::string_view host, const ListenScope& scope) const;

  // An absent Origin (empty) is allowed: browsers always send it where it matters.
  // Through TLS our own pages come by https only; else a proxy before us may have spoken it.
  bool origin_allowed(std::string_view origin, std::string_view host, const ListenScope& scope = {}) const;

  // Pages of this origin may call us and read the answers (CORS): "https://example.org", or "*" for any.
  void share_with(std::string_view origin);
  bool shares() const { return share_with_all_ || !shared_.empty(); }
  // What Access-Control-Allow-Origin says to a page of `origin`; empty when it may not read us.
  std::string sharing_with(std::string_view origin) const;

 private:
  std::vector<std::string> hosts_;    // lower case, without port
  std::vector<std::string> origins_;  // lower case
  std::vector<std::string> shared_;   // lower case
  bool share_with_all_ = false;
};

// The host of "host:port" in lower case, brackets and a final dot removed; empty when it is not a valid
// authority.
std::string host_of(std::string_view authority);

bool is_loopback_host(std::string_view host);
bool is_ip_literal(std::string_view host);

// The value of one cookie in a Cookie header; empty when absent.
std::string_view cookie_value(std::string_view header, std::string_view name);

}  // namespace answermill::frontend
