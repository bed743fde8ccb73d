// Cuts a page's text into chunks that follow its structure.
//
// A chunk never crosses a heading (it may begin with one) or a page; it aims at about 256 tokens, ends at a
// block, sentence or line where it can, and a section cut for its length overlaps by a sentence or two.
// Thread: pure. Units: sizes are code points of Latin text (a character of a dense script counts several).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "shared/messages/documents.h"
#include "workers/extract/blocks.h"

namespace answermill::extract {

struct ChunkLimits {
  std::size_t target = 1100;
  std::size_t most = 1250;
  std::size_t overlap = 160;
};

// `page_text` is valid UTF-8. Each chunk's text is exactly page_text[begin, end) in code points; ordinals
// count from 1.
std::vector<messages::Chunk> chunk_page(std::string_view document, std::uint32_t page,
                                        std::string_view page_text, Markup markup,
                                        const ChunkLimits& limits = {});

}  // namespace answermill::extract
