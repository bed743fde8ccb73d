// The native WebSocket protocol as text: client messages parsed, server messages encoded. Pure.
// Source: docs/protocol.md, "Native WebSocket".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/server/dialects/denial.h"
#include "frontend/server/dialects/views.h"
#include "shared/base/result.h"

namespace answermill::frontend::native {

enum class ClientKind {
  kWatch,
  kUnwatch,
  kAsk,
  kCancel,
  kResume,
  kLeave,
  kSearch,
  kPrefetch,
  kUploadBegin,
  kUploadEnd,
  kUploadAbort,
  kPing
};

// The union of all client messages; fields that a kind does not have stay empty.
struct ClientMessage {
  ClientKind kind = ClientKind::kPing;
  std::string id;
  std::string request_id;  // ask: the same question again is the same answer
  std::string stream;
  std::uint64_t after_seq = 0;
  std::optional<std::string> collection;
  std::string conversation;
  std::vector<std::string> documents;
  std::string question;  // ask and prefetch, and the query of search
  std::uint64_t k = 0;
  std::string name;
  std::optional<std::uint64_t> size;
  std::string content_type;
  std::string material_id;
};

// Errors: kMalformed, kInvalidArgument (with the field or the type that is wrong).
Result<ClientMessage> parse(std::string_view text);

std::string welcome(const ServerFacts& facts, std::string_view client, const FleetView& fleet,
                    const RightsView& rights);
std::string documents(const std::optional<std::string>& collection,
                      const std::vector<DocumentView>& documents);
std::string document(const DocumentView& document);
std::string document_removed(std::string_view id);
std::string started(std::string_view id, const AnswerView& answer);
std::string resumed(std::string_view id, std::string_view stream, std::uint64_t after_seq);
std::string resumed_snapshot(std::string_view id, const AnswerView& answer);
// Empty for events that have no place in this protocol.
std::string stream_event(std::string_view stream, const messages::StreamEvent& event);
std::string results(std::string_view id, std::string_view query, const messages::SourcesEvent& found,
                    double took_ms);
std::string prefetched(std::string_view id, std::string_view question, const messages::SourcesEvent& found,
                       double took_ms);
std::string upload_ready(std::string_view id, std::uint32_t number, std::uint64_t chunk_bytes,
                         std::uint64_t window_bytes);
std::string upload_ack(std::string_view id, std::uint64_t received);
std::string uploaded(std::string_view id, const DocumentView& document);
std::string upload_aborted(std::string_view id);
std::string pong(double timestamp);
std::string fleet(const FleetView& fleet);
std::string error(std::string_view id, std::string_view stream, const Error& error);
std::string denied(std::string_view id, std::string_view stream, const Denial& denial);

}  // namespace answermill::frontend::native
