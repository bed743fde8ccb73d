// A page's structure: runs of lines between blank lines or layout changes, each a paragraph, heading, list or
// table.
//
// Thread: pure. Units: offsets are code points of the page's text, end exclusive.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace answermill::extract {

enum class BlockType : std::uint8_t { kParagraph, kHeading, kList, kTable };

// The name used in messages::Chunk.type.
std::string_view to_string(BlockType type);

struct Block {
  BlockType type = BlockType::kParagraph;
  std::size_t begin = 0;
  std::size_t end = 0;
};

// kMarkdown: only its own marks make a heading. kPlain: short lines that look like one (case, numbering, no
// full stop).
enum class Markup : std::uint8_t { kPlain, kMarkdown };

// Blocks in order, none empty, together holding every character of `text` that is not white space.
std::vector<Block> split_blocks(std::u32string_view text, Markup markup);

}  // namespace answermill::extract
