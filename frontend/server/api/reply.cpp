#include "frontend/server/api/reply.h"

#include <utility>

namespace answermill::frontend {

void send_json(Responder& responder, int status, std::string body, Headers headers) {
  headers.emplace_back("Cache-Control", "no-store");
  responder.send(status, kJsonContentType, std::move(body), std::move(headers));
}

void send_error(Responder& responder, const Error& error) {
  Headers headers;
  const int status = http_status(error.code);
  if (status == 503) headers.emplace_back("Retry-After", "2");
  send_json(responder, status, encode_error(error), std::move(headers));
}

}  // namespace answermill::frontend
