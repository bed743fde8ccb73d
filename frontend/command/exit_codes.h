// What a script can rely on.
#pragma once

#include "shared/base/error.h"

namespace answermill::command {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitNothingFound = 3;
inline constexpr int kExitUnreachable = 4;
inline constexpr int kExitNotFound = 5;
inline constexpr int kExitInterrupted = 130;

inline constexpr const char* kExitCodesHelp =
    "Exit codes: 0 fine, 1 failed, 2 wrong usage, 3 nothing found, 4 server not reachable or not ready,\n"
    "5 no such document, collection or conversation, 130 interrupted.\n";

// For an error of the server or of reaching it.
constexpr int exit_code_of(ErrorCode code) {
  if (code == ErrorCode::kUnavailable || code == ErrorCode::kBusy) return kExitUnreachable;
  return code == ErrorCode::kNotFound ? kExitNotFound : kExitFailed;
}

}  // namespace answermill::command
