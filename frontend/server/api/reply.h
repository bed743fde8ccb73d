// Short ways to answer an HTTP request.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "frontend/server/dialects/http_json.h"
#include "frontend/server/edge/http.h"
#include "shared/base/error.h"

namespace answermill::frontend {

void send_json(Responder& responder, int status, std::string body, Headers headers = {});
void send_error(Responder& responder, const Error& error);
// Retry-After (RFC 9110, 10.2.3) of errors that may pass: as long as the error says, else two seconds.
Headers retry_headers(const Error& error);

// Objects that live as long as the answer they produce. Each drops itself when it is done.
class Answers {
 public:
  template <class Answer>
  void keep(std::shared_ptr<Answer> answer) {
    answers_.insert(std::move(answer));
  }
  // The object may be running: call it from a fresh turn of the loop.
  void drop(const std::shared_ptr<void>& answer) { answers_.erase(answer); }
  void clear() { answers_.clear(); }

 private:
  std::set<std::shared_ptr<void>> answers_;
};

}  // namespace answermill::frontend
