#include "frontend/server/dialects/token_gatherer.h"

#include <utility>

namespace answermill::frontend {

std::vector<messages::StreamEvent> TokenGatherer::add(messages::StreamEvent event) {
  std::vector<messages::StreamEvent> ready;
  const bool token = event.kind == messages::StreamEventKind::kToken;
  const bool follows = token && held_ && event.offset == held_->offset + held_->data.size() &&
                       event.first_seq == held_->last_seq + 1;
  if (held_ && !follows) ready.push_back(*take());
  if (follows) {
    held_->last_seq = event.last_seq;
    held_->data += event.data;
  } else if (token) {
    held_ = std::move(event);
  } else {
    ready.push_back(std::move(event));
  }
  if (held_ && held_->data.size() >= bytes_) ready.push_back(*take());
  return ready;
}

std::optional<messages::StreamEvent> TokenGatherer::take() { return std::exchange(held_, std::nullopt); }

}  // namespace answermill::frontend
