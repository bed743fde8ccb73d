// What the catalog remembers: collections, documents, conversations and their messages.
//
// Units: *_ms are Unix milliseconds, 0 for "not yet".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/error.h"
#include "shared/messages/jobs.h"
#include "shared/messages/questions.h"

namespace answermill::frontend {

inline constexpr char kDefaultCollection[] = "default";

// Stored as numbers: append-only.
enum class DocumentState : std::uint8_t {
  kQueued = 0,
  kProcessing = 1,
  kReady = 2,
  kFailed = 3,
  kDeleting = 4
};
std::string_view to_string(DocumentState state);

enum class MessageStatus : std::uint8_t {
  kStreaming = 0,
  kDone = 1,
  kCancelled = 2,
  kFailed = 3,
  kExpired = 4
};
std::string_view to_string(MessageStatus status);
MessageStatus status_of(messages::Terminal outcome);

struct CollectionRow {
  std::string name;
  std::uint64_t documents = 0;
  std::uint64_t pages = 0;
  std::int64_t created_ms = 0;
  std::string drop;  // id of the drop that is under way; empty for none
};

// Pages that were set aside, and why.
struct Warning {
  std::vector<std::uint32_t> pages;
  ErrorCode code = ErrorCode::kInternal;
  std::string message;

  friend bool operator==(const Warning&, const Warning&) = default;
};

struct PageCounts {
  std::uint64_t total = 0;
  std::uint64_t extracted = 0;
  std::uint64_t embedded = 0;
  std::uint64_t searchable = 0;
  std::uint64_t failed = 0;

  friend bool operator==(const PageCounts&, const PageCounts&) = default;
};

struct DocumentRow {
  std::string id;
  std::string name;
  std::string collection;
  std::string blob;  // empty when the bytes were refused
  std::string type;  // MIME type as the client said it, or guessed from the name
  std::string material_id;
  std::uint64_t size = 0;
  std::uint32_t generation = 1;
  DocumentState state = DocumentState::kQueued;
  Error error{ErrorCode::kOk, {}};
  std::vector<Warning> warnings;
  PageCounts pages;
  std::uint64_t chunks = 0;
  std::int64_t created_ms = 0;
  std::int64_t finished_ms = 0;

  std::string group() const { return id + "." + std::to_string(generation); }
  bool settled() const { return state == DocumentState::kReady || state == DocumentState::kFailed; }
};

// How an ingest ended; written by the record stage.
struct DocumentOutcome {
  DocumentState state = DocumentState::kReady;
  Error error{ErrorCode::kOk, {}};
  std::vector<Warning> warnings;
  PageCounts pages;
  std::uint64_t chunks = 0;
};

struct DocumentCounts {
  std::uint64_t queued = 0;
  std::uint64_t processing = 0;
  std::uint64_t ready = 0;
  std::uint64_t failed = 0;
};

struct ConversationRow {
  std::string id;
  std::string owner;  // empty: the page's and the API's; else a user of an older wire
  std::string title;
  std::string collection;
  std::int64_t created_ms = 0;
  std::int64_t updated_ms = 0;
};

struct MessageRow {
  std::string id;
  std::string conversation;
  std::string role;  // "user" or "assistant"
  std::string text;
  std::string stream;
  std::string question;  // assistant: what it answers
  std::string collection;
  MessageStatus status = MessageStatus::kDone;
  messages::StreamState state;  // assistant: every event, its terminal last; text is left empty
  std::int64_t created_ms = 0;
};

// A question about to be asked.
struct NewQuestion {
  enum class Collections { kMustExist, kUnknownIsEmpty };
  enum class Conversations { kMustExist, kMake };

  std::string owner;
  std::string question;
  std::string collection;    // empty: the conversation's, else the default one
  std::string conversation;  // empty: a new one
  std::string request_id;    // empty: none; the same one again gives the same stream
  std::string stream;
  std::int64_t now_ms = 0;
  Collections collections = Collections::kMustExist;
  Conversations conversations = Conversations::kMustExist;
  std::vector<std::string> reach{};  // the only collections it may end in; empty: any
};

// An answer nobody has recorded yet, with what its question was submitted as.
struct UnsettledAnswer {
  std::string stream;
  std::string submission;  // as begin_question() was given it; empty in rows of older versions
  std::int64_t created_ms = 0;
};

struct StartedQuestion {
  std::string stream;
  std::string conversation;
  std::string question;
  std::string collection;
  std::vector<messages::Turn> history;
  bool repeated = false;  // this request id was asked before: watch its stream, ask nothing
};

}  // namespace answermill::frontend
