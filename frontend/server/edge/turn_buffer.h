// The WebSocket frames of one loop turn, one behind the other, for all connections they go to.
//
// A message that goes to many is framed and copied once, and what one connection gets in a turn usually lies
// in one piece. Pieces are valid until the turn ends. Thread: one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace answermill::frontend {

class TurnBuffer {
 public:
  // Stays in the processor's own cache.
  static constexpr std::size_t kMostBytes = 256 * 1024;

  struct Piece {
    std::uint32_t offset = 0;
    std::uint32_t size = 0;  // 0: there is none
    std::uint32_t end() const { return offset + size; }
  };

  explicit TurnBuffer(std::size_t most_bytes = kMostBytes) : most_bytes_(most_bytes) {}

  // The frame of an uncompressed message; where the last one lies, if that was the same and does not end at
  // `taken_until` (the caller holds it already). Nothing when it does not fit.
  Piece frame(bool text, std::string_view payload, std::uint32_t taken_until);
  std::string_view view(Piece piece) const {
    return std::string_view(bytes_).substr(piece.offset, piece.size);
  }

  // Frames are kept until clear(); before the first call the room of each is used again.
  void hold() { held_ = true; }
  void clear();

 private:
  bool repeats(bool text, std::string_view payload) const;

  std::size_t most_bytes_;
  std::string bytes_;
  Piece last_;
  std::uint32_t last_header_ = 0;  // bytes
  bool last_text_ = false;
  bool held_ = false;
};

}  // namespace answermill::frontend
