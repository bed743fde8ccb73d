// The text of an answer, put together from its token events. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace answermill::command {

class AnswerText {
 public:
  enum class Applied { kDone, kGap };  // kGap: something before this event is missing; nothing was changed

  // What is there already is skipped, so events may be given again.
  Applied append(std::uint64_t offset, std::string_view text);
  // Cuts the text back to `offset` bytes.
  void rewind(std::uint64_t offset);

  const std::string& text() const { return text_; }
  // What was not taken yet. After a rewind behind it, `restarted` is set and everything is given again.
  struct Fresh {
    bool restarted = false;
    std::string text;
  };
  Fresh take_fresh();

 private:
  std::string text_;
  std::size_t taken_ = 0;
  bool restarted_ = false;
};

}  // namespace answermill::command
