#include "frontend/command/commands.h"

int main(int argc, char** argv) { return answermill::command::run_command(argc, argv); }
