// The answer of one job as it grows: text goes out at once, citations follow their marks.
//
// Thread: one at a time. Owns: nothing of the handle or the passages; both must outlive it.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shared/messages/questions.h"
#include "workers/generate/citation_marks.h"
#include "workers/generate/evidence.h"
#include "workers/runtime/stage.h"

namespace answermill::generate {

// The citations a stream shows already: number and text_begin; those cut off by a rewind are gone.
std::set<std::pair<std::uint32_t, std::uint64_t>> shown_citations(const messages::StreamState& stream);

class AnswerText {
 public:
  // Starts from what the stream shows; citations of its marks that were lost are made up for.
  AnswerText(const messages::StreamState& shown, const std::vector<messages::Passage>& passages,
             runtime::JobHandle& handle);

  void append(std::string_view text);
  void rewind();  // to nothing

  const std::string& text() const { return text_; }

 private:
  void cite_marks();

  const std::vector<messages::Passage>& passages_;
  runtime::JobHandle& handle_;
  std::string text_;
  MarkScanner scanner_;
  std::vector<Mark> marks_;                                 // found, not yet cited
  std::vector<std::unique_ptr<PassageEvidence>> evidence_;  // by passage, made when first cited
  std::set<std::pair<std::uint32_t, std::uint64_t>> cited_;
};

}  // namespace answermill::generate
