#include "workers/generate/evidence.h"

#include <algorithm>

#include "shared/text/utf8.h"

namespace answermill::generate {
namespace {

constexpr std::size_t kLeastQuotation = 12;

bool is_blank(std::string_view text) { return text.find_first_not_of(" \t\r\n") == std::string_view::npos; }

// The longest part of the sentence between quotation marks that the passage has word for word.
Span quoted_part(std::string_view passage, std::string_view sentence) {
  struct Pair {
    std::string_view open;
    std::string_view close;
  };
  Span best;
  for (const Pair& pair :
       {Pair{"\"", "\""}, Pair{"“", "”"}, Pair{"„", "“"}, Pair{"«", "»"}, Pair{"「", "」"}}) {
    for (std::size_t at = 0; (at = sentence.find(pair.open, at)) != std::string_view::npos;) {
      const std::size_t begin = at + pair.open.size();
      const std::size_t end = sentence.find(pair.close, begin);
      if (end == std::string_view::npos) break;
      const std::string_view part = sentence.substr(begin, end - begin);
      const std::size_t found = part.size() >= kLeastQuotation ? passage.find(part) : std::string_view::npos;
      if (found != std::string_view::npos && part.size() > best.end - best.begin)
        best = {found, found + part.size(), true};
      at = end + pair.close.size();
    }
  }
  return best;
}

}  // namespace

std::string_view citing_sentence(std::string_view answer, std::size_t mark_begin) {
  std::string_view before = answer.substr(0, mark_begin);
  // Marks in front of this one ("… [1][2]") close the same sentence.
  while (true) {
    const std::size_t last = before.find_last_not_of(" \t,");
    if (last == std::string_view::npos) return {};
    const std::size_t open = before[last] == ']' ? before.rfind('[', last) : std::string_view::npos;
    if (open == std::string_view::npos || last - open > 12) break;
    if (is_blank(before.substr(0, open))) break;
    before = before.substr(0, open);
  }
  std::size_t end = before.find_last_not_of(" \t\r\n");
  if (end == std::string_view::npos) return {};
  const std::size_t mark_of_end =
      std::string_view(".!?").find(before[end]) != std::string_view::npos ? end : end + 1;
  std::size_t begin = mark_of_end;
  while (begin > 0) {
    const char c = before[begin - 1];
    const bool stop = (c == '.' || c == '!' || c == '?' || c == ']') && begin < before.size() &&
                      (before[begin] == ' ' || before[begin] == '\n');
    if (stop || c == '\n') break;
    --begin;
  }
  while (begin < before.size() && (before[begin] == ' ' || before[begin] == '\n')) ++begin;
  return before.substr(begin, end + 1 - begin);
}

PassageEvidence::PassageEvidence(const messages::Passage& passage)
    : passage_(passage), pieces_(split_pieces(passage.text)) {
  const std::string_view text = passage.text;
  for (const Piece& piece : pieces_) terms_.emplace_back(text.substr(piece.begin, piece.end - piece.begin));
}

Span PassageEvidence::best_span(std::string_view sentence) const {
  const std::string_view text = passage_.text;
  const Span whole{0, text.size(), false};
  if (sentence.size() >= kLeastQuotation) {
    if (const std::size_t found = text.find(sentence); found != std::string_view::npos) {
      return {found, found + sentence.size(), true};
    }
  }
  if (const Span quoted = quoted_part(text, sentence); quoted.exact) return quoted;
  Query query(sentence, {});
  if (query.empty() || pieces_.empty()) return whole;
  query.weigh_by(terms_);
  constexpr double kLeastMatch = 0.2;
  double best = kLeastMatch;
  Span span = whole;
  for (std::size_t i = 0; i < pieces_.size(); ++i) {
    const double coverage = query.coverage(terms_[i]);
    if (coverage <= best) continue;
    best = coverage;
    span = {pieces_[i].begin, pieces_[i].end, false};
  }
  return span;
}

messages::CitationEvent cite(const messages::Passage& passage, Span span, std::uint64_t text_begin,
                             std::uint64_t text_end) {
  messages::CitationEvent citation;
  citation.number = passage.number;
  citation.text_begin = text_begin;
  citation.text_end = text_end;
  citation.document = passage.document;
  citation.page = passage.page;
  citation.begin = passage.begin;
  citation.end = passage.end;
  const std::string_view text = passage.text;
  if (passage.end < passage.begin || text::count_code_points(text) != passage.end - passage.begin)
    return citation;
  const auto points = [&](std::size_t bytes) {
    return static_cast<std::uint32_t>(text::count_code_points(text.substr(0, bytes)));
  };
  citation.begin = passage.begin + points(span.begin);
  citation.end = passage.begin + points(span.end);
  citation.exact = span.exact;
  return citation;
}

}  // namespace answermill::generate
