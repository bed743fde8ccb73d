// The objects of docs/protocol.md as JSON. Only the dialects' own .cpp files include this.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "frontend/server/dialects/denial.h"
#include "frontend/server/dialects/views.h"

namespace answermill::frontend {

// Ordered, so that what clients see follows the protocol's page.
using Json = nlohmann::ordered_json;

// Ill-formed UTF-8 (which only a broken worker can send) is replaced, never thrown at.
std::string dump(const Json& json);

Json seconds_json(std::int64_t unix_ms);  // null for 0
Json error_object(const Error& error);    // {"code","message"}, null for kOk
bool is_retryable(ErrorCode code);
double retry_after_seconds(const Error& error);
// Adds "retry_after" (seconds) where it is known, and "scope" where it helps.
void add_retry_after(Json& out, const Error& error);
void add_denial(Json& out, const Denial& denial);

Json document_json(const DocumentView& document);
Json passage_json(const messages::Passage& passage);
Json passages_json(const std::vector<messages::Passage>& passages);
Json citation_json(const messages::CitationEvent& citation);
Json coverage_json(const messages::Coverage& coverage);
Json rights_json(const RightsView& rights);
Json meta_json(const messages::AnswerMeta& meta);

// Fields of a running or finished answer that several wires show: status, text, sources, citations, meta.
void add_answer_fields(Json& out, const AnswerView& answer);

struct NamedEvent {
  std::string name;  // empty: not for this wire
  Json data;
};
NamedEvent stream_event_json(const messages::StreamEvent& event);

}  // namespace answermill::frontend
