// GET /api/documents/ID/file: the original bytes, at the client's pace.
//
// Thread: the loop; the file is read on the disk's thread.
#pragma once

#include "frontend/server/api/sse_answers.h"

namespace answermill::frontend {

void send_file(const AnswerContext& context, const DocumentRow& document, const ResponderPtr& responder);

// RFC 6266, with the name for clients that know RFC 5987 and for those that do not.
std::string content_disposition(std::string_view file_name);

}  // namespace answermill::frontend
