// What the dialects show, free of any wire: a document with its live progress, an answer as far as it is
// known, the fleet as people care about it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/server/catalog/rows.h"
#include "shared/messages/events.h"
#include "shared/messages/questions.h"

namespace answermill::frontend {

struct DocumentView {
  DocumentRow row;
  double progress = 0;       // 0…1
  std::int64_t eta_ms = -1;  // -1 when unknown
};

// An answer put together from the events of its stream.
struct AnswerView {
  std::string stream;
  std::string conversation;
  std::string question;
  std::string collection;
  MessageStatus status = MessageStatus::kStreaming;
  std::string text;
  std::optional<messages::SourcesEvent> sources;
  std::vector<messages::CitationEvent> citations;
  std::optional<messages::AnswerMeta> meta;
  Error error{ErrorCode::kOk, {}};
  std::string sha256;
  std::uint64_t next_seq = 1;
};

// Adds one event (a coalesced one counts as all it stands for). Sequence numbers already seen are skipped.
void apply_event(AnswerView& answer, const messages::StreamEvent& event);
// A recorded answer.
AnswerView answer_of(const MessageRow& row);
// What to send to somebody who has seen everything up to `after_seq`. A run of tokens seen in part is sent
// whole, after a rewind to its beginning.
std::vector<messages::StreamEvent> events_after(const messages::StreamState& state, std::uint64_t after_seq);

struct FleetView {
  bool ready = false;
  std::map<std::string, std::uint32_t> workers;  // by stage; every stage an answer needs is named
  std::string mode;                              // "quoting" or "model"
  std::string model;
  std::string embedder;
};
FleetView fleet_view(const messages::FleetStatus& status);

// What a client may do here, as a page shows it.
struct RightsView {
  std::string token;                     // its name; empty: none is needed
  std::vector<std::string> scopes;       // all that hold, those that `admin` stands for too
  std::vector<std::string> collections;  // the only ones in reach; empty: all
};

// What the process offers; the same for every client.
struct ServerFacts {
  std::string version;
  std::uint64_t upload_bytes = 0;
  std::uint64_t question_characters = 8000;
  std::vector<std::string> supported;
  std::uint64_t upload_bytes_per_second = 0;  // slower uploads are ended; 0: none
};

}  // namespace answermill::frontend
