// A refusal by the rules of access, as every wire tells it: an error, with what would help.
#pragma once

#include <string>

#include "shared/base/error.h"

namespace answermill::frontend {

struct Denial {
  Error error;
  std::string scope;  // of kForbidden: what the token lacks
};

}  // namespace answermill::frontend
