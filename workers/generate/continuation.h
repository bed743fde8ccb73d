// Joins what a model says after a restart to the text already shown.
//
// A model asked to go on may go on right there, repeat the end of the text, repeat all of it, or begin
// another answer. The first bytes are held back while they could still be a repetition; after that everything
// passes at once.
//
// Thread: one at a time. Pure.
#pragma once

#include <string>
#include <string_view>

namespace answermill::generate {

class Continuation {
 public:
  struct Step {
    bool rewind = false;  // cut the shown text back to nothing first
    std::string text;     // then append this
  };

  // An empty prefix passes everything.
  explicit Continuation(std::string prefix) : prefix_(std::move(prefix)), settled_(prefix_.empty()) {}

  Step feed(std::string_view delta);
  // The end of the answer: what is still held back.
  Step finish();

 private:
  Step settle(bool at_end);
  bool begins_anew() const;

  std::string prefix_;
  std::string held_;
  bool settled_;
};

}  // namespace answermill::generate
