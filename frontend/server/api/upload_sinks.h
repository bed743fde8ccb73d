// Request bodies that become documents: one file as the whole body, or any number in a form.
//
// Thread: the loop.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "frontend/server/api/document_service.h"
#include "frontend/server/edge/http.h"

namespace answermill::frontend {

// How an endpoint answers.
struct UploadReply {
  std::function<void(Responder&, const std::vector<DocumentView>&)> stored;
  std::function<void(Responder&, const Error&)> refuse;
};

// Null when it answered at once.
std::unique_ptr<BodySink> begin_http_upload(DocumentService& documents, const ServerFacts& facts,
                                            const Request& request, ResponderPtr responder,
                                            UploadReply reply);

}  // namespace answermill::frontend
