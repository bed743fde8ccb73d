// The page's access token: shown once in a header, kept in a cookie that scripts cannot read, forgotten
// again.
#include "frontend/server/api/access.h"
#include "frontend/server/api/reply.h"
#include "frontend/server/api/routes.h"
#include "frontend/server/dialects/http_json.h"
#include "frontend/server/edge/admission.h"

namespace answermill::frontend {
namespace {

constexpr Access kForgets{{}, Use::kRequest, true};  // a revoked token, too

// An open door lets anybody in, and the cookie may have: only the token of the header itself is kept.
void keep_token(const Request& request, Responder& responder) {
  const std::string_view token = bearer_token(request);
  if (token.empty()) {
    return send_error(responder,
                      {ErrorCode::kInvalidArgument, "Send the token as Authorization: Bearer TOKEN."});
  }
  const auto& grant = request.caller.grant();
  if (!grant || !access::same_digest(grant->token.digest, sha256(token))) {
    return send_error(responder, {ErrorCode::kUnauthorized, "The access token is wrong, or was revoked."});
  }
  send_json(responder, 200, encode_rights(rights_of(request.caller)),
            {{"Set-Cookie", token_cookie(token, request.tls)}});
}

}  // namespace

void add_session_routes(Router& router) {
  router.route("GET", "/api/session", kNeedsAnything,
               [](const Request& request, const ResponderPtr& responder) {
                 send_json(*responder, 200, encode_rights(rights_of(request.caller)));
               });
  router.route(
      "POST", "/api/session", kNeedsAnything,
      [](const Request& request, const ResponderPtr& responder) { keep_token(request, *responder); });
  router.route("DELETE", "/api/session", kForgets, [](const Request& request, const ResponderPtr& responder) {
    send_json(*responder, 200, encode_flag("forgotten"), {{"Set-Cookie", token_cookie({}, request.tls)}});
  });
}

}  // namespace answermill::frontend
