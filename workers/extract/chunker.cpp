// Two steps. A section (a heading and what stands under it) becomes atoms: sentences of prose, lines of
// tables and lists, and whatever is longer than a chunk is cut at spaces. Then atoms are packed greedily; the
// next chunk steps back over a few small atoms, which makes the overlap, and always takes at least one new
// one, so it ends.
#include "workers/extract/chunker.h"

#include <algorithm>
#include <array>

#include "workers/extract/code_points.h"

namespace answermill::extract {
namespace {

struct Atom {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::size_t cost = 0;
  BlockType type = BlockType::kParagraph;
  bool starts_block = false;
};

constexpr std::size_t kDenseCost = 3;

class PageChunker {
 public:
  PageChunker(std::u32string_view text, Markup markup, const ChunkLimits& limits)
      : text_(text), markup_(markup), limits_(limits) {}

  struct Piece {
    std::size_t begin = 0;
    std::size_t end = 0;
    std::size_t heading_begin = 0;
    std::size_t heading_end = 0;
    BlockType type = BlockType::kParagraph;
  };

  std::vector<Piece> run() {
    const auto blocks = split_blocks(text_, markup_);
    for (std::size_t i = 0; i < blocks.size();) {
      // Headings in a row (title, subtitle) open one section.
      const std::size_t first = i;
      while (i < blocks.size() && blocks[i].type == BlockType::kHeading) ++i;
      const std::size_t body = i;
      while (i < blocks.size() && blocks[i].type != BlockType::kHeading) ++i;
      if (body > first) {
        // A title and what is set under it; what stands before those two is the page's running head.
        heading_begin_ = blocks[body - first > 1 ? body - 2 : first].begin;
        heading_end_ = blocks[body - 1].end;
      }
      atoms_.clear();
      for (std::size_t b = first; b < i; ++b) add_atoms(blocks[b]);
      pack();
    }
    return std::move(pieces_);
  }

 private:
  std::size_t cost_of(std::size_t begin, std::size_t end) const {
    std::size_t cost = 0;
    for (std::size_t i = begin; i < end; ++i) cost += is_dense_script(text_[i]) ? kDenseCost : 1;
    return cost;
  }

  // Trims and cuts what is too long for any chunk; a cut falls after a space in the last quarter when there
  // is one.
  void add_atom(std::size_t begin, std::size_t end, BlockType type, bool starts_block) {
    while (begin < end && is_space(text_[begin])) ++begin;
    while (end > begin && is_space(text_[end - 1])) --end;
    while (begin < end) {
      std::size_t stop = begin;
      std::size_t cost = 0;
      std::size_t last_space = 0;
      for (; stop < end; ++stop) {
        const std::size_t step = is_dense_script(text_[stop]) ? kDenseCost : 1;
        if (cost + step > limits_.target) break;
        cost += step;
        if (is_space(text_[stop]) && cost * 4 > limits_.target * 3) last_space = stop;
      }
      if (stop < end && last_space > begin) stop = last_space;
      atoms_.push_back({begin, stop, cost_of(begin, stop), type, starts_block});
      starts_block = false;
      begin = stop;
      while (begin < end && is_space(text_[begin])) ++begin;
    }
  }

  bool ends_sentence(std::size_t at, std::size_t end) const {
    const char32_t c = text_[at];
    if (c == 0x3002 || c == 0xFF01 || c == 0xFF1F || c == 0x061F || c == 0x0964) return true;
    if (c != U'.' && c != U'!' && c != U'?') return false;
    std::size_t next = at + 1;
    while (next < end && (text_[next] == U'"' || text_[next] == U')' || text_[next] == 0x201D)) ++next;
    if (next >= end) return true;
    if (!is_space(text_[next])) return false;
    while (next < end && is_space(text_[next])) ++next;
    return next >= end || !is_lower(text_[next]);
  }

  void add_atoms(const Block& block) {
    const bool by_line = block.type == BlockType::kTable || block.type == BlockType::kList;
    bool first = true;
    std::size_t begin = block.begin;
    for (std::size_t i = block.begin; i < block.end; ++i) {
      const bool cut =
          by_line ? text_[i] == U'\n' : block.type != BlockType::kHeading && ends_sentence(i, block.end);
      if (!cut) continue;
      std::size_t end = i + 1;
      while (!by_line && end < block.end &&
             (text_[end] == U'"' || text_[end] == U')' || text_[end] == 0x201D))
        ++end;
      add_atom(begin, end, block.type, first);
      first = false;
      begin = end;
      i = end - 1;
    }
    add_atom(begin, block.end, block.type, first);
  }

  // The index after the last atom of a chunk that begins with atom `first`.
  std::size_t fill(std::size_t first) const {
    std::size_t cost = 0;
    std::size_t last_block_start = first;
    std::size_t cost_at_block = 0;
    std::size_t i = first;
    for (; i < atoms_.size(); ++i) {
      if (i > first && atoms_[i].starts_block) {
        last_block_start = i;
        cost_at_block = cost;
      }
      if (i > first && cost + 1 + atoms_[i].cost > limits_.target) {
        const bool last = i + 1 == atoms_.size();
        if (!last || cost + 1 + atoms_[i].cost > limits_.most) break;
      }
      cost += atoms_[i].cost + 1;
    }
    // A block that does not fit begins the next chunk, as long as this one is well filled without it.
    if (i < atoms_.size() && last_block_start > first && cost_at_block * 10 >= limits_.target * 6)
      return last_block_start;
    return i;
  }

  BlockType type_of(std::size_t first, std::size_t last) const {
    std::array<std::size_t, 4> cost{};
    for (std::size_t i = first; i < last; ++i)
      cost[static_cast<std::size_t>(atoms_[i].type)] += atoms_[i].cost;
    cost[static_cast<std::size_t>(BlockType::kHeading)] = 0;
    const auto most = std::max_element(cost.begin(), cost.end());
    return *most == 0 ? BlockType::kHeading : static_cast<BlockType>(most - cost.begin());
  }

  void pack() {
    std::size_t first = 0;
    while (first < atoms_.size()) {
      const std::size_t last = fill(first);
      pieces_.push_back(
          {atoms_[first].begin, atoms_[last - 1].end, heading_begin_, heading_end_, type_of(first, last)});
      if (last >= atoms_.size()) break;
      std::size_t next = last;
      std::size_t overlap = 0;
      // Step back over small atoms, never over a heading, and leave room for the new one.
      while (next > first + 1 && atoms_[next - 1].type != BlockType::kHeading &&
             overlap + atoms_[next - 1].cost <= limits_.overlap &&
             overlap + atoms_[next - 1].cost + atoms_[last].cost + 2 <= limits_.target) {
        overlap += atoms_[next - 1].cost + 1;
        --next;
      }
      first = next;
    }
  }

  std::u32string_view text_;
  Markup markup_;
  const ChunkLimits& limits_;
  std::vector<Atom> atoms_;
  std::vector<Piece> pieces_;
  std::size_t heading_begin_ = 0;
  std::size_t heading_end_ = 0;
};

// One line of at most 160 characters: heading lines joined, Markdown's marks left out.
std::string heading_text(std::u32string_view heading, Markup markup) {
  constexpr std::size_t kMost = 160;
  std::u32string out;
  for (std::size_t begin = 0; begin <= heading.size() && out.size() < kMost;) {
    const std::size_t end = std::min(heading.find(U'\n', begin), heading.size());
    std::u32string_view line = heading.substr(begin, end - begin);
    begin = end + 1;
    if (markup == Markup::kMarkdown) {
      line.remove_prefix(std::min(line.find_first_not_of(U"# "), line.size()));
      // What is left of an underline, or marks at the end.
      line = line.substr(0, line.find_last_not_of(U"#=- ") + 1);
    }
    while (!line.empty() && is_space(line.front())) line.remove_prefix(1);
    while (!line.empty() && is_space(line.back())) line.remove_suffix(1);
    if (line.empty()) continue;
    if (!out.empty()) out += U" \u2013 ";
    out += line;
  }
  if (out.size() > kMost) out.resize(kMost);
  return to_utf8(out);
}

}  // namespace

std::vector<messages::Chunk> chunk_page(std::string_view document, std::uint32_t page,
                                        std::string_view page_text, Markup markup,
                                        const ChunkLimits& limits) {
  const std::u32string text = to_code_points(page_text);
  std::vector<messages::Chunk> chunks;
  const std::u32string_view view = text;
  for (const auto& piece : PageChunker(view, markup, limits).run()) {
    messages::Chunk chunk;
    chunk.page = page;
    chunk.ordinal = static_cast<std::uint32_t>(chunks.size() + 1);
    chunk.id = std::string(document) + "." + std::to_string(page) + "." + std::to_string(chunk.ordinal);
    chunk.begin = static_cast<std::uint32_t>(piece.begin);
    chunk.end = static_cast<std::uint32_t>(piece.end);
    chunk.heading =
        heading_text(view.substr(piece.heading_begin, piece.heading_end - piece.heading_begin), markup);
    chunk.type = to_string(piece.type);
    chunk.text = to_utf8(view.substr(piece.begin, piece.end - piece.begin));
    chunks.push_back(std::move(chunk));
  }
  return chunks;
}

}  // namespace answermill::extract
