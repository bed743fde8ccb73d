#include "frontend/server/dialects/append_only_text.h"

#include <algorithm>

namespace answermill::frontend {

std::string_view AppendOnlyText::more(std::string_view text) {
  if (text.size() <= shown_.size() || (rewound_ && !agrees(text))) return {};
  std::string_view next = text.substr(shown_.size());
  const std::size_t skip = shown_.size() < known_before_ ? known_before_ - shown_.size() : 0;
  shown_.append(next);
  next.remove_prefix(std::min(skip, next.size()));
  return next;
}

bool AppendOnlyText::agrees(std::string_view text) const { return text.substr(0, shown_.size()) == shown_; }

}  // namespace answermill::frontend
