// The sub-commands that ask the server once and print: status, search, documents, collections.
#pragma once

namespace answermill::command {

int status_main(int argc, const char* const* argv);
int search_main(int argc, const char* const* argv);
int documents_main(int argc, const char* const* argv);
int collections_main(int argc, const char* const* argv);

}  // namespace answermill::command
