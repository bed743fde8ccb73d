// Long HTTP answers: a document's changes, a question's stream, and the JSON twin that waits for its end.
//
// Thread: the loop. Each keeps itself in `Answers` until the client left or everything was said.
#pragma once

#include <memory>
#include <string>

#include "frontend/server/api/document_service.h"
#include "frontend/server/api/question_service.h"
#include "frontend/server/api/reply.h"

namespace answermill::frontend {

// Stops writing while this much waits for the client; what comes later is read from the hub then.
inline constexpr std::size_t kHighWaterBytes = 256 * 1024;

struct AnswerContext {
  Services& services;
  DocumentService& documents;
  QuestionService& questions;
  Answers& answers;
};

// GET /api/documents/ID/events
void stream_document(const AnswerContext& context, const DocumentView& document,
                     const ResponderPtr& responder);

// Asks, then streams: POST /api/ask.
void stream_ask(const AnswerContext& context, Question question, const ResponderPtr& responder);
// Asks, then answers once: POST /api/ask with Accept: application/json.
void collect_ask(const AnswerContext& context, Question question, const ResponderPtr& responder);
// GET /api/streams/ID
void stream_resume(const AnswerContext& context, const std::string& stream, std::uint64_t after_seq,
                   const ResponderPtr& responder);
void collect_stream(const AnswerContext& context, const std::string& stream, const ResponderPtr& responder);

}  // namespace answermill::frontend
