#include "frontend/server/edge/turn_buffer.h"

#include "frontend/server/edge/websocket_engine.h"

namespace answermill::frontend {
namespace {

constexpr std::size_t kMostHeader = 10;

}  // namespace

bool TurnBuffer::repeats(bool text, std::string_view payload) const {
  return last_.size == last_header_ + payload.size() && last_.size > 0 && last_text_ == text &&
         std::string_view(bytes_).substr(last_.offset + last_header_) == payload;
}

TurnBuffer::Piece TurnBuffer::frame(bool text, std::string_view payload, std::uint32_t taken_until) {
  if (repeats(text, payload) && last_.end() != taken_until) return last_;
  if (!held_) bytes_.clear();
  if (payload.size() + kMostHeader > most_bytes_ - bytes_.size()) return {};
  const std::size_t begin = bytes_.size();
  append_frame_header(bytes_, text, FramePayload::kPlain, payload.size());
  last_header_ = static_cast<std::uint32_t>(bytes_.size() - begin);
  bytes_.append(payload);
  last_text_ = text;
  last_ = {static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(bytes_.size() - begin)};
  return last_;
}

void TurnBuffer::clear() {
  bytes_.clear();
  last_ = {};
  held_ = false;
}

}  // namespace answermill::frontend
