// Vectors of texts, made by the embed stage in jobs of a bounded size.
//
// Thread: the loop. Errors: those of QuestionService.
#pragma once

#include <string>
#include <vector>

#include "frontend/server/api/sse_answers.h"

namespace answermill::frontend {

// In the order of the texts, or the first error. `query`: they are questions rather than passages.
void embed_texts(const AnswerContext& context, const std::vector<std::string>& texts, bool query,
                 QuestionService::Done<messages::EmbeddedTexts> done);

}  // namespace answermill::frontend
