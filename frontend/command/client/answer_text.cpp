#include "frontend/command/client/answer_text.h"

#include <utility>

namespace answermill::command {

AnswerText::Applied AnswerText::append(std::uint64_t offset, std::string_view text) {
  if (offset > text_.size()) return Applied::kGap;
  const std::size_t known = text_.size() - offset;
  if (known < text.size()) text_ += text.substr(known);
  return Applied::kDone;
}

void AnswerText::rewind(std::uint64_t offset) {
  if (offset >= text_.size()) return;
  text_.resize(offset);
  if (taken_ > offset) {
    taken_ = 0;
    restarted_ = true;
  }
}

AnswerText::Fresh AnswerText::take_fresh() {
  // A rewind shows only once there is text again, so that a row of them shows once.
  if (restarted_ && text_.empty()) return {};
  Fresh fresh{std::exchange(restarted_, false), text_.substr(taken_)};
  taken_ = text_.size();
  return fresh;
}

}  // namespace answermill::command
