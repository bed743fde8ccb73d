// `answermill SUB-COMMAND …`: finds the sub-command and runs it.
#pragma once

#include <string>

namespace answermill::command {

// The program's whole help, with exit codes.
std::string overview();

// Returns the exit code.
int run_command(int argc, const char* const* argv);

}  // namespace answermill::command
