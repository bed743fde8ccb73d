// The JSON bodies of the HTTP API: what comes in is parsed into structs, what goes out is encoded from views.
// Source: docs/protocol.md, "HTTP".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/server/dialects/denial.h"
#include "frontend/server/dialects/views.h"
#include "shared/base/result.h"

namespace answermill::frontend {

inline constexpr char kJsonContentType[] = "application/json";

struct AskBody {
  std::string question;
  std::string collection;
  std::string conversation;
  std::string request_id;
  std::vector<std::string> documents;
};

// Errors of both: kMalformed (not JSON), kInvalidArgument (a field's type).
Result<AskBody> parse_ask(std::string_view body);
Result<std::string> parse_collection_name(std::string_view body);

int http_status(ErrorCode code);
std::string encode_error(const Error& error);  // {"error":{…}}
std::string encode_denial(const Denial& denial);

std::string encode_document(const DocumentView& document);
std::string encode_documents(const std::vector<DocumentView>& documents);
std::string encode_document_deleted(std::string_view id, bool finished);
std::string encode_page(const messages::PageText& page);
std::string encode_collection(const CollectionRow& collection);
std::string encode_collections(const std::vector<CollectionRow>& collections);
std::string encode_rights(const RightsView& rights);
std::string encode_flag(std::string_view name);  // {"deleted":true}
std::string encode_search(std::string_view query, std::string_view collection,
                          const messages::SourcesEvent& found, double took_ms);
std::string encode_conversations(const std::vector<ConversationRow>& conversations);
std::string encode_conversation(const ConversationRow& conversation, const std::vector<MessageRow>& messages);
std::string encode_answer(const AnswerView& answer);  // the JSON twin of /api/ask
std::string encode_stream(const AnswerView& answer);  // /api/streams/ID

std::string encode_health();
std::string encode_ready(const FleetView& fleet);
std::string encode_status(const ServerFacts& facts, const FleetView& fleet,
                          const messages::FleetStatus& status, const DocumentCounts& documents,
                          double uptime_seconds);

}  // namespace answermill::frontend
