// What is looked at before any child of a fleet starts.
#pragma once

#include <string>
#include <vector>

#include "frontend/command/fleet/child_process.h"
#include "shared/base/result.h"

namespace answermill::command {

// The folder of the running program; the others of the fleet are beside it. Errors: kInternal.
Result<std::string> own_folder();

// Lets each program read its settings and say what is wrong with them before anything starts.
// Errors: kInvalidArgument, kInternal (a program is missing).
Status check_settings(const std::vector<ChildSpec>& fleet);

}  // namespace answermill::command
