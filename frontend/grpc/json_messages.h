// The frontend's JSON as protocol messages. Pure.
//
// Thread: any. Field names are the same on both sides; what one side does not know is left out.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "answermill.pb.h"
#include "shared/base/result.h"

namespace answermill::grpc_bridge {

// One line of an answer (docs/protocol.md, "Chunked HTTP"). nullopt for a line without an event.
// Errors: kMalformed.
Result<std::optional<v1::AnswerEvent>> answer_event(std::string_view line);

// Errors: kMalformed.
Result<v1::Document> document(std::string_view json);
Result<v1::Document> first_document(std::string_view json);  // of {"documents":[…]}
Result<v1::SearchReply> search_reply(std::string_view json);

std::string ask_body(const v1::AskRequest& request);

// What an HTTP answer of this status and body means.
Error error_of(int status, std::string_view body);

}  // namespace answermill::grpc_bridge
