// Finds citation marks ("[3]", "[1, 2]") in a text that arrives in pieces.
//
// Thread: one at a time. Pure. Nothing is held back: a mark is reported once its bracket closes, by its
// bytes, so the text itself can be shown as it comes. Units: offsets are bytes of the whole text.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace answermill::generate {

// "[3]": the range holds the brackets. "[1, 2]": two marks, each with the range of its number alone.
struct Mark {
  std::uint32_t number = 0;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;

  friend bool operator==(const Mark&, const Mark&) = default;
};

class MarkScanner {
 public:
  // Appends the marks completed by these bytes to `found`.
  void feed(std::string_view bytes, std::vector<Mark>& found);

 private:
  enum class State { kText, kBeforeNumber, kNumber, kAfterNumber };

  void take(char c, std::vector<Mark>& found);
  void close(std::vector<Mark>& found);

  State state_ = State::kText;
  std::uint64_t position_ = 0;  // of the next byte
  std::uint64_t opened_ = 0;    // where the bracket is
  std::vector<Mark> pending_;
};

}  // namespace answermill::generate
