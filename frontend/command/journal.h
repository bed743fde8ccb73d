// `answermill journal check|export [--data DIR]`: looks at the broker's journal by the broker's own program,
// which alone knows how to read it.
#pragma once

namespace answermill::command {

int journal_main(int argc, const char* const* argv);

}  // namespace answermill::command
