// Cuts a passage into what can be quoted: sentences of prose, and lines of tables and lists.
//
// Thread: any. Pure. Units: bytes of the text; pieces are in order, trimmed, without overlap, cut at code
// points.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace answermill::generate {

struct Piece {
  std::size_t begin = 0;
  std::size_t end = 0;
  bool tabular = false;  // a line of a label and numbers

  friend bool operator==(const Piece&, const Piece&) = default;
};

std::vector<Piece> split_pieces(std::string_view text);

}  // namespace answermill::generate
