// Finds the words of a passage that a cited sentence rests on, and says so as a citation.
//
// Thread: any. Pure.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "shared/messages/questions.h"
#include "workers/generate/relevance.h"
#include "workers/generate/sentences.h"

namespace answermill::generate {

struct Span {
  std::size_t begin = 0;  // bytes of the passage's text
  std::size_t end = 0;
  bool exact = false;  // the answer says these very characters
};

// The sentence that the mark at byte `mark_begin` of the answer closes, without earlier marks' sentences.
std::string_view citing_sentence(std::string_view answer, std::size_t mark_begin);

// A passage prepared for many citations. Keeps a reference: the passage must outlive it.
class PassageEvidence {
 public:
  explicit PassageEvidence(const messages::Passage& passage);

  const messages::Passage& passage() const { return passage_; }
  // The piece of the passage that best matches the sentence: a literal quotation when there is one, the whole
  // passage when nothing matches.
  Span best_span(std::string_view sentence) const;

 private:
  const messages::Passage& passage_;
  std::vector<Piece> pieces_;
  std::vector<Terms> terms_;
};

// A citation by the mark at bytes text_begin…text_end of the answer. Should the passage's text not be what
// its character range says, the whole range is cited and nothing is called exact.
messages::CitationEvent cite(const messages::Passage& passage, Span span, std::uint64_t text_begin,
                             std::uint64_t text_end);

}  // namespace answermill::generate
