// A refusal by the rules of access, as every wire tells it: an error, with what would help.
#pragma once

#include <chrono>
#include <string>

#include "shared/base/error.h"

namespace answermill::frontend {

struct Denial {
  Error error;
  std::string scope;                        // of kForbidden: what the token lacks
  std::chrono::milliseconds retry_after{};  // of kRateLimited

  double retry_after_seconds() const { return std::chrono::duration<double>(retry_after).count(); }
};

}  // namespace answermill::frontend
