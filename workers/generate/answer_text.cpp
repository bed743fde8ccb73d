#include "workers/generate/answer_text.h"

#include "shared/messages/codec.h"

namespace answermill::generate {
namespace {

// A model that does nothing but cite must not grow the stream without bound.
constexpr std::size_t kMaxCitations = 1000;

}  // namespace

std::set<std::pair<std::uint32_t, std::uint64_t>> shown_citations(const messages::StreamState& stream) {
  std::set<std::pair<std::uint32_t, std::uint64_t>> shown;
  for (const messages::StreamEvent& event : stream.events) {
    if (event.kind == messages::StreamEventKind::kCitation) {
      const auto citation = messages::decode<messages::CitationEvent>(event.data);
      if (citation) shown.emplace(citation->number, citation->text_begin);
    } else if (event.kind == messages::StreamEventKind::kRewind) {
      std::erase_if(shown, [&](const auto& citation) { return citation.second >= event.offset; });
    }
  }
  return shown;
}

AnswerText::AnswerText(const messages::StreamState& shown, const std::vector<messages::Passage>& passages,
                       runtime::JobHandle& handle)
    : passages_(passages),
      handle_(handle),
      text_(shown.text),
      evidence_(passages.size()),
      cited_(shown_citations(shown)) {
  scanner_.feed(text_, marks_);
  cite_marks();
}

void AnswerText::append(std::string_view text) {
  if (text.empty()) return;
  text_ += text;
  handle_.emit_token(text);
  scanner_.feed(text, marks_);
  cite_marks();
}

void AnswerText::rewind() {
  handle_.rewind(0);
  text_.clear();
  scanner_ = {};
  marks_.clear();
  cited_.clear();
}

void AnswerText::cite_marks() {
  for (const Mark& mark : marks_) {
    if (cited_.size() >= kMaxCitations || cited_.count({mark.number, mark.begin}) > 0) continue;
    for (std::size_t i = 0; i < passages_.size(); ++i) {
      if (passages_[i].number != mark.number) continue;
      if (!evidence_[i]) evidence_[i] = std::make_unique<PassageEvidence>(passages_[i]);
      const Span span = evidence_[i]->best_span(citing_sentence(text_, mark.begin));
      handle_.emit(messages::StreamEventKind::kCitation,
                   messages::encode(cite(passages_[i], span, mark.begin, mark.end)));
      cited_.emplace(mark.number, mark.begin);
      break;
    }
  }
  marks_.clear();
}

}  // namespace answermill::generate
