// The frontends' durable memory: one SQLite file in WAL mode that all frontends of a host share, and the
// blobs its documents hold on to. Every function is one short transaction.
//
// Thread: one at a time (see CatalogThread). Blocks on the disk.
// Errors: kNotFound, kConflict, kInvalidArgument, kBusy, kDiskFull, kDamaged, kInternal.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/server/catalog/rows.h"
#include "shared/base/result.h"
#include "shared/store/blob_store.h"
#include "shared/store/sqlite.h"

namespace answermill::frontend {

// 1–64 of letters, digits, "_-.", not starting with a dot.
bool is_collection_name(std::string_view name);

// What a generator is shown of a conversation: its last turns, none too long.
std::vector<messages::Turn> latest_turns(std::vector<messages::Turn> turns);

// What asking for a document that is not there gives.
Error no_document();
Error no_conversation();  // likewise

class Catalog {
 public:
  // Makes or migrates the file. `blobs` must outlive the catalog.
  static Result<std::unique_ptr<Catalog>> open(const std::string& path, store::BlobStore& blobs,
                                               std::int64_t now_ms);

  // Collections.
  Result<std::vector<CollectionRow>> collections();
  Result<CollectionRow> collection(std::string_view name);
  Result<CollectionRow> create_collection(std::string_view name,
                                          std::int64_t now_ms);  // kConflict when it exists
  struct Drop {
    std::string id;
    std::string collection;
    std::vector<std::string> groups;  // of its documents
  };
  // Marks the collection and its documents; the same drop again while it is under way.
  Result<Drop> begin_drop(std::string_view name, std::string_view new_id);
  Result<std::vector<Drop>> unfinished_drops();
  // The drop failed: its next attempt has another id. Nothing happens when none is under way.
  Status renew_drop(std::string_view name, std::string_view new_id);
  // Removes the rows and blobs. "default" itself stays. Nothing happens when no drop is under way.
  Status finish_drop(std::string_view name);

  // Documents. Insertion makes the collection when it is new, and checks that the blob is still there.
  Status insert_document(const DocumentRow& row);
  Result<DocumentRow> document(std::string_view id);
  Result<std::vector<DocumentRow>> documents(const std::optional<std::string>& collection);  // newest first
  Result<std::vector<DocumentRow>> unsettled_documents();  // queued, processing and deleting
  Result<DocumentCounts> count_documents();
  // Nothing happens unless the document still waits for this generation.
  Status finish_document(std::string_view id, std::uint32_t generation, const DocumentOutcome& outcome,
                         std::int64_t now_ms);
  Result<DocumentRow> retry_document(std::string_view id);  // the next generation, queued
  Result<DocumentRow> begin_delete(std::string_view id);    // deleting, in a generation of its own
  Status fail_delete(std::string_view id, std::uint32_t generation, const Error& error, std::int64_t now_ms);
  // The row, and the blob when no other document uses it. Nothing happens unless it is being deleted.
  Status finish_delete(std::string_view id);

  // Conversations and answers.
  Result<std::vector<ConversationRow>> conversations(std::string_view owner);
  Result<ConversationRow> conversation(std::string_view owner, std::string_view id);
  Result<std::vector<MessageRow>> messages_of(std::string_view conversation);
  Status delete_conversation(std::string_view owner, std::string_view id);
  // Checks, makes the conversation when needed and notes question and (streaming) answer. What `submission`
  // makes of it is kept until the answer is settled, so that a question whose frontend dies is still asked.
  using MakeSubmission = std::function<std::string(const StartedQuestion&)>;
  Result<StartedQuestion> begin_question(const NewQuestion& question, const MakeSubmission& submission = {});
  // Streaming answers asked before this time, oldest first, at most `limit`.
  Result<std::vector<UnsettledAnswer>> unsettled_answers(std::int64_t before_ms, int limit);
  // The answer never started: its message says so.
  Status refuse_answer(std::string_view stream, const Error& error);
  // The end of a stream. Nothing happens when its conversation is gone or the answer was recorded before.
  // Survives every process at once, and a power cut once CatalogSync says so.
  Status finish_answer(const messages::RecordAnswer& answer, const messages::StreamState& state,
                       std::int64_t now_ms);
  Result<MessageRow> answer_of_stream(std::string_view stream);

  // The log is copied into the file by somebody else from now on, whenever this says that it is long.
  void leave_log_alone() { database_.checkpoint_by_hand(); }
  enum class Log { kShort, kLong, kTooLong };
  // kLong is said once for each piece. A log begins anew only at a moment when all of it is copied, which
  // under steady writing another thread may always miss: one that is too long is this thread's to finish.
  Log look_at_log();
  Status copy_log() { return database_.checkpoint(); }

 private:
  template <class Work>
  auto relaxed(const Work& work) -> decltype(work());
  Result<StartedQuestion> note_question(const NewQuestion& question, const MakeSubmission& submission);
  Catalog(store::Database database, store::BlobStore& blobs)
      : database_(std::move(database)), blobs_(blobs) {}

  Status note_answer(const messages::RecordAnswer& answer, const messages::StreamState& state,
                     std::int64_t now_ms);
  Status migrate(std::int64_t now_ms);
  Status ensure_collection(std::string_view name, std::int64_t now_ms);
  Result<std::vector<DocumentRow>> select_documents(std::string_view where, std::string_view argument);
  Status load_warnings(DocumentRow& row);
  Status remove_blob_if_unused(const std::string& blob);
  Result<ConversationRow> conversation_for(const NewQuestion& question);
  Result<std::vector<messages::Turn>> history_of(std::string_view conversation);

  store::Database database_;
  store::BlobStore& blobs_;
};

}  // namespace answermill::frontend
