#include "workers/generate/continuation.h"

#include <algorithm>

namespace answermill::generate {
namespace {

// Shorter repetitions are ordinary words that happen to come again.
constexpr std::size_t kLeastOverlap = 8;
// This much of the beginning said again and then another way: the model began another answer. After a whole
// sentence the next one may honestly begin like the first.
constexpr std::size_t kTellingBeginning = 16;
constexpr std::size_t kTellingAfterSentence = 48;

bool starts_with(std::string_view text, std::string_view start) {
  return text.substr(0, start.size()) == start;
}

std::size_t common_start(std::string_view a, std::string_view b) {
  const auto end = std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first;
  return static_cast<std::size_t>(end - a.begin());
}

// The sentence that `prefix` breaks off in; empty when it ends with a whole one. Only this much counts as a
// repeated end: longer repetitions occur in honest continuations of texts that repeat themselves.
std::string_view unfinished_sentence(std::string_view prefix) {
  std::size_t begin = prefix.size();
  while (begin > 0 && prefix[begin - 1] != '\n') {
    const bool after_mark = begin >= 2 && prefix[begin - 1] == ' ' &&
                            std::string_view(".!?]").find(prefix[begin - 2]) != std::string_view::npos;
    if (after_mark) break;
    --begin;
  }
  return prefix.substr(begin);
}

}  // namespace

Continuation::Step Continuation::feed(std::string_view delta) {
  if (settled_) return {false, std::string(delta)};
  held_ += delta;
  if (held_.empty()) return {};
  if (held_.size() < prefix_.size() && starts_with(prefix_, held_)) return {};
  const std::string_view tail = unfinished_sentence(prefix_);
  if (held_.size() < tail.size() && starts_with(tail, held_)) return {};
  return settle(false);
}

Continuation::Step Continuation::finish() { return settled_ ? Step{} : settle(true); }

Continuation::Step Continuation::settle(bool at_end) {
  settled_ = true;
  std::string said = std::move(held_);
  if (starts_with(said, prefix_)) return {false, said.substr(prefix_.size())};
  const std::string_view tail = unfinished_sentence(prefix_);
  if (tail.size() >= kLeastOverlap && starts_with(said, tail)) return {false, said.substr(tail.size())};
  // Stopped while repeating the beginning: all of what it would say was shown before.
  if (at_end && starts_with(prefix_, said) && said.size() >= kTellingBeginning) return {};
  held_ = std::move(said);
  const bool anew = begins_anew();
  return {anew, std::move(held_)};
}

bool Continuation::begins_anew() const {
  const std::size_t telling =
      unfinished_sentence(prefix_).empty() ? kTellingAfterSentence : kTellingBeginning;
  if (common_start(prefix_, held_) >= std::min(telling, prefix_.size())) return true;
  // A sentence with a capital in the middle of a sentence, and nothing that joins them.
  const char last = prefix_.back();
  const bool inside = std::string_view(".!?:;]\n\"'*)-(/ ").find(last) == std::string_view::npos;
  return inside && !held_.empty() && held_.front() >= 'A' && held_.front() <= 'Z' &&
         static_cast<unsigned char>(last) < 0x80;
}

}  // namespace answermill::generate
