// The truth about a collection: documents, pages, chunks with vectors, tombstones and the owner's epoch, in
// SQLite.
//
// Every write is one transaction that checks the owner's epoch and takes the next sequence number; what FAISS
// and Xapian hold is derived from here and caught up by that number. Commits are durable (synchronous=FULL).
// Thread: ChunkStore one at a time (the collection's write lock); a ChunkReader one at a time, many beside
// it. Errors: those of store::Database, and kFenced.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shared/messages/documents.h"
#include "shared/messages/questions.h"
#include "shared/store/sqlite.h"

namespace answermill::index {

struct UpsertRequest {
  const messages::IndexUpsert* payload = nullptr;
  std::uint64_t owner_epoch = 0;
  std::string_view group;  // of the job that brings it
};

// A chunk as derived indexes need it. Keys are never used twice.
struct ChunkView {
  std::int64_t key = 0;
  std::int64_t document = 0;  // the document's number
  std::string_view name;      // the document's
  std::string_view heading;
  std::string_view text;
  std::string_view language;
  std::string_view model;
  std::string_view vector;  // little-endian float32; empty for none
};

// What a committed transaction did, for the derived indexes. Views point into the requests.
struct Changes {
  std::uint64_t seq = 0;
  std::vector<std::int64_t> removed;
  std::vector<ChunkView> added;
};

struct UpsertOutcome {
  Changes changes;
  std::vector<Status> statuses;  // one for each request
};

class ChunkStore {
 public:
  static Result<ChunkStore> open(const std::filesystem::path& path);

  // All requests in one transaction. Those of a stale owner, or malformed, are refused one by one; those of a
  // deleted document, an older generation or a cancelled group succeed without writing. Fails as a whole only
  // when the database does.
  Result<UpsertOutcome> upsert(std::span<const UpsertRequest> requests);
  // The tombstone, then the rows, in one transaction.
  Result<Changes> remove(const messages::IndexDelete& request, std::uint64_t owner_epoch);
  // All rows of all documents; tombstones for them all stay.
  Result<Changes> drop(const messages::IndexDrop& request, std::uint64_t owner_epoch);
  // Stores the epoch if it is larger; kFenced if it is smaller.
  Status claim(std::uint64_t owner_epoch);

  struct State {
    std::uint64_t epoch = 0;
    std::uint64_t seq = 0;
    std::uint64_t forgotten = 0;  // removals up to this seq are no longer listed
  };
  Result<State> state();
  Result<std::uint64_t> count_chunks();
  Result<std::vector<std::string>> languages();
  // Calls for every key removed, then for every chunk added, after `seq`.
  Status replay(std::uint64_t seq, const std::function<void(std::int64_t)>& removed,
                const std::function<void(const ChunkView&)>& added);

 private:
  struct Entry {
    std::int64_t number = 0;
    std::uint32_t generation = 0;
  };

  Status check_owner(std::uint64_t owner_epoch);
  Result<std::uint64_t> next_seq();
  Result<bool> is_refused(const messages::DocumentRef& document, std::string_view group);
  Result<std::optional<Entry>> find_document(const std::string& id);
  Result<std::optional<std::int64_t>> admit_document(const UpsertRequest& request, Changes& changes);
  Status upsert_one(const UpsertRequest& request, Changes& changes);
  Status put_pages(std::int64_t document, const messages::IndexUpsert& payload);
  Status put_chunk(std::int64_t document, const messages::IndexUpsert& payload, std::size_t at,
                   Changes& changes);
  Status remove_rows(std::int64_t document, Changes& changes);
  Status bury(const std::string& document, std::uint32_t generation);
  Status cancel_groups(const std::vector<std::string>& groups);

  store::Database database_;
};

// Reads for searches, on a connection of its own.
class ChunkReader {
 public:
  static Result<ChunkReader> open(const std::filesystem::path& path);

  // Fills everything but number, collection, score and distance. False: deleted meanwhile.
  Result<bool> passage(std::int64_t key, messages::Passage& out);
  // Of all documents, or of those named.
  Result<messages::Coverage> coverage(std::span<const std::string> documents);
  Result<std::vector<std::int64_t>> numbers_of(std::span<const std::string> documents);
  Result<messages::PageText> page(const std::string& document, std::uint32_t page);

 private:
  store::Database database_;
  store::Statement passage_;
};

// Errors: kMalformed. The vectors must be as many and as long as said.
Status check_upsert(const messages::IndexUpsert& payload);

}  // namespace answermill::index
