#include "frontend/server/api/reply.h"

#include <chrono>
#include <string>
#include <utility>

namespace answermill::frontend {

void send_json(Responder& responder, int status, std::string body, Headers headers) {
  headers.emplace_back("Cache-Control", "no-store");
  responder.send(status, kJsonContentType, std::move(body), std::move(headers));
}

Headers retry_headers(const Error& error) {
  const int status = http_status(error.code);
  if (status != 503 && status != 429) return {};
  constexpr std::chrono::seconds kUnknown{2};
  const auto wait = std::chrono::ceil<std::chrono::seconds>(error.retry_after);
  return {{"Retry-After", std::to_string((wait.count() > 0 ? wait : kUnknown).count())}};
}

void send_error(Responder& responder, const Error& error) {
  send_json(responder, http_status(error.code), encode_error(error), retry_headers(error));
}

}  // namespace answermill::frontend
