#include "workers/generate/citation_marks.h"

namespace answermill::generate {

void MarkScanner::feed(std::string_view bytes, std::vector<Mark>& found) {
  for (const char c : bytes) {
    take(c, found);
    ++position_;
  }
}

void MarkScanner::take(char c, std::vector<Mark>& found) {
  constexpr std::uint64_t kMaxDigits = 4;
  const bool digit = c >= '0' && c <= '9';
  if (c == '[') {
    state_ = State::kBeforeNumber;
    opened_ = position_;
    pending_.clear();
    return;
  }
  switch (state_) {
    case State::kText:
      return;
    case State::kBeforeNumber:
      if (c == ' ') return;
      state_ = digit ? State::kNumber : State::kText;
      if (digit) pending_.push_back({static_cast<std::uint32_t>(c - '0'), position_, position_ + 1});
      return;
    case State::kNumber:
      if (digit && pending_.back().end - pending_.back().begin < kMaxDigits) {
        pending_.back().number = pending_.back().number * 10 + static_cast<std::uint32_t>(c - '0');
        pending_.back().end = position_ + 1;
        return;
      }
      if (digit) {
        state_ = State::kText;
        return;
      }
      state_ = State::kAfterNumber;
      [[fallthrough]];
    case State::kAfterNumber:
      if (c == ' ') return;
      if (c == ',') {
        state_ = State::kBeforeNumber;
        return;
      }
      if (c == ']') close(found);
      state_ = State::kText;
      return;
  }
}

void MarkScanner::close(std::vector<Mark>& found) {
  if (pending_.size() == 1) pending_.front() = {pending_.front().number, opened_, position_ + 1};
  found.insert(found.end(), pending_.begin(), pending_.end());
}

}  // namespace answermill::generate
