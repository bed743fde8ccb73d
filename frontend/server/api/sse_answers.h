// A document's changes as server-sent events, and what every long HTTP answer stands on.
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

}  // namespace answermill::frontend
