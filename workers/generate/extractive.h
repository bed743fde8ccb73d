// The answerer that needs no model: it quotes the sentences and table lines that best answer, word for word.
//
// Thread: any. Pure and deterministic: the same request gives the same bytes, which is what resuming relies
// on.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "shared/messages/questions.h"

namespace answermill::generate {

inline constexpr char kQuotingPreface[] = "Quoting the documents: no language model is connected.\n\n";

struct Quote {
  std::size_t passage = 0;  // index into the passages
  std::size_t begin = 0;    // bytes of its text
  std::size_t end = 0;
};

// Best first; empty when no passage speaks of what is asked.
std::vector<Quote> choose_quotes(const messages::AnswerRequest& request,
                                 const std::vector<messages::Passage>& passages);

// What is shown, in order: each step's text, then its citation (of a mark at the end of that text).
struct AnswerStep {
  std::string text;
  std::optional<messages::CitationEvent> citation;
};

struct QuotedAnswer {
  std::string mode;  // "quoting" or "nothing_found"
  std::vector<AnswerStep> steps;
};

QuotedAnswer quote_answer(const messages::GenerateAnswer& work);

// The sentence that says nothing was found, and in how much.
std::string nothing_found_text(const messages::Coverage& coverage);

}  // namespace answermill::generate
