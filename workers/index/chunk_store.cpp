#include "workers/index/chunk_store.h"

#include <algorithm>
#include <limits>

#include "workers/index/language.h"

namespace answermill::index {
namespace {

constexpr char kSchema[] = R"sql(
CREATE TABLE state(
  one INTEGER PRIMARY KEY CHECK(one = 1), epoch INTEGER NOT NULL, seq INTEGER NOT NULL, forgotten INTEGER NOT NULL);
INSERT INTO state VALUES(1, 0, 0, 0);
CREATE TABLE documents(
  number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, generation INTEGER NOT NULL, name TEXT NOT NULL,
  material_id TEXT NOT NULL, total_pages INTEGER NOT NULL, pages INTEGER NOT NULL, chunks INTEGER NOT NULL);
CREATE TABLE pages(
  document INTEGER NOT NULL, page INTEGER NOT NULL, text TEXT NOT NULL, UNIQUE(document, page));
CREATE TABLE chunks(
  key INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, document INTEGER NOT NULL, page INTEGER NOT NULL,
  ordinal INTEGER NOT NULL, begin INTEGER NOT NULL, end INTEGER NOT NULL, heading TEXT NOT NULL, type TEXT NOT NULL,
  text TEXT NOT NULL, language TEXT NOT NULL, seq INTEGER NOT NULL, model TEXT NOT NULL, vector BLOB NOT NULL);
CREATE INDEX chunks_by_document ON chunks(document);
CREATE INDEX chunks_by_seq ON chunks(seq);
CREATE TABLE removals(seq INTEGER NOT NULL, key INTEGER NOT NULL, PRIMARY KEY(seq, key)) WITHOUT ROWID;
CREATE TABLE tombstones(document TEXT PRIMARY KEY, generation INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE cancelled_groups(name TEXT PRIMARY KEY) WITHOUT ROWID;
)sql";
constexpr std::int64_t kSchemaVersion = 1;

// Removals are kept for derived indexes that are this many sequence numbers behind; older ones are rebuilt.
constexpr std::uint64_t kRemovalsKept = 100'000;

std::int64_t signed_of(std::uint64_t value) { return static_cast<std::int64_t>(value); }
std::uint64_t unsigned_of(std::int64_t value) { return static_cast<std::uint64_t>(value); }

std::string_view row_of(const messages::IndexUpsert& payload, std::size_t at) {
  const std::size_t bytes = std::size_t{payload.dimension} * sizeof(float);
  return std::string_view(payload.vectors).substr(at * bytes, bytes);
}

}  // namespace

Status check_upsert(const messages::IndexUpsert& payload) {
  if (payload.vectors.size() != payload.chunks.size() * std::size_t{payload.dimension} * sizeof(float)) {
    return Error{ErrorCode::kMalformed, "the vectors of an upsert do not fit its chunks"};
  }
  if (payload.document.id.empty()) return Error{ErrorCode::kMalformed, "an upsert names no document"};
  return {};
}

Result<ChunkStore> ChunkStore::open(const std::filesystem::path& path) {
  auto database = store::Database::open(path.string(), store::Synchronous::kFull);
  if (!database) return database.error();
  ChunkStore opened;
  opened.database_ = std::move(*database);
  auto version = opened.database_.user_version();
  if (!version) return version.error();
  if (*version > kSchemaVersion) {
    return Error{ErrorCode::kUnsupported, "the collection was written by a newer version of Answermill"};
  }
  if (*version == 0) {
    auto transaction = store::Transaction::begin(opened.database_);
    if (!transaction) return transaction.error();
    if (auto made = opened.database_.execute(kSchema); !made) return made.error();
    if (auto set = opened.database_.set_user_version(kSchemaVersion); !set) return set.error();
    if (auto committed = transaction->commit(); !committed) return committed.error();
  }
  return opened;
}

Result<ChunkStore::State> ChunkStore::state() {
  auto query = database_.prepare("SELECT epoch, seq, forgotten FROM state");
  if (!query) return query.error();
  if (auto row = query->step(); !row) return row.error();
  return State{unsigned_of(query->integer(0)), unsigned_of(query->integer(1)),
               unsigned_of(query->integer(2))};
}

Status ChunkStore::check_owner(std::uint64_t owner_epoch) {
  auto state = this->state();
  if (!state) return state.error();
  if (state->epoch > owner_epoch) return Error{ErrorCode::kFenced, "the collection has another owner now"};
  if (state->epoch == owner_epoch) return {};
  auto update = database_.prepare("UPDATE state SET epoch = ?1");
  if (!update) return update.error();
  return update->bind(1, signed_of(owner_epoch)).run();
}

Status ChunkStore::claim(std::uint64_t owner_epoch) {
  auto transaction = store::Transaction::begin(database_);
  if (!transaction) return transaction.error();
  if (auto owned = check_owner(owner_epoch); !owned) return owned.error();
  return transaction->commit();
}

Result<std::uint64_t> ChunkStore::next_seq() {
  auto update = database_.prepare("UPDATE state SET seq = seq + 1");
  if (!update) return update.error();
  if (auto ran = update->run(); !ran) return ran.error();
  auto state = this->state();
  if (!state) return state.error();
  if (state->seq <= state->forgotten + 2 * kRemovalsKept) return state->seq;
  const std::int64_t forget = signed_of(state->seq - kRemovalsKept);
  auto trim = database_.prepare("DELETE FROM removals WHERE seq <= ?1");
  auto mark = database_.prepare("UPDATE state SET forgotten = ?1");
  if (!trim || !mark) return trim ? mark.error() : trim.error();
  if (auto ran = trim->bind(1, forget).run(); !ran) return ran.error();
  if (auto ran = mark->bind(1, forget).run(); !ran) return ran.error();
  return state->seq;
}

Result<UpsertOutcome> ChunkStore::upsert(std::span<const UpsertRequest> requests) {
  auto transaction = store::Transaction::begin(database_);
  if (!transaction) return transaction.error();
  UpsertOutcome outcome;
  auto seq = next_seq();
  if (!seq) return seq.error();
  outcome.changes.seq = *seq;
  bool owned_by_any = false;
  for (const UpsertRequest& request : requests) {
    if (auto valid = check_upsert(*request.payload); !valid) {
      outcome.statuses.emplace_back(valid.error());
      continue;
    }
    if (auto owned = check_owner(request.owner_epoch); !owned) {
      if (owned.error().code != ErrorCode::kFenced) return owned.error();
      outcome.statuses.emplace_back(owned.error());
      continue;
    }
    owned_by_any = true;
    if (auto written = upsert_one(request, outcome.changes); !written) return written.error();
    outcome.statuses.emplace_back();
  }
  if (!owned_by_any) {  // rolled back: the sequence number was not used
    outcome.changes.seq = *seq - 1;
    return outcome;
  }
  if (auto committed = transaction->commit(); !committed) return committed.error();
  return outcome;
}

Result<bool> ChunkStore::is_refused(const messages::DocumentRef& document, std::string_view group) {
  auto query = database_.prepare(
      "SELECT EXISTS(SELECT 1 FROM tombstones WHERE document = ?1 AND generation >= ?2) "
      "OR EXISTS(SELECT 1 FROM cancelled_groups WHERE name = ?3)");
  if (!query) return query.error();
  query->bind(1, document.id).bind(2, std::int64_t{document.generation}).bind(3, group);
  if (auto row = query->step(); !row) return row.error();
  return query->integer(0) != 0;
}

Result<std::optional<ChunkStore::Entry>> ChunkStore::find_document(const std::string& id) {
  auto query = database_.prepare("SELECT number, generation FROM documents WHERE id = ?1");
  if (!query) return query.error();
  auto row = query->bind(1, id).step();
  if (!row) return row.error();
  if (!*row) return std::optional<Entry>();
  return std::optional<Entry>(Entry{query->integer(0), static_cast<std::uint32_t>(query->integer(1))});
}

// The number of the document the request may write to; nothing when it must not write.
Result<std::optional<std::int64_t>> ChunkStore::admit_document(const UpsertRequest& request,
                                                               Changes& changes) {
  const messages::DocumentRef& document = request.payload->document;
  const std::optional<std::int64_t> refuse;
  auto refused = is_refused(document, request.group);
  if (!refused) return refused.error();
  if (*refused) return refuse;
  auto found = find_document(document.id);
  if (!found) return found.error();
  if (*found && (*found)->generation > document.generation) return refuse;
  if (*found && (*found)->generation < document.generation) {
    if (auto removed = remove_rows((*found)->number, changes); !removed) return removed.error();
    found->reset();
  }
  if (*found) {
    auto grow =
        database_.prepare("UPDATE documents SET total_pages = max(total_pages, ?2) WHERE number = ?1");
    if (!grow) return grow.error();
    auto ran = grow->bind(1, (*found)->number).bind(2, std::int64_t{request.payload->total_pages}).run();
    if (!ran) return ran.error();
    return std::optional<std::int64_t>((*found)->number);
  }
  auto insert = database_.prepare("INSERT INTO documents VALUES(NULL, ?1, ?2, ?3, ?4, ?5, 0, 0)");
  if (!insert) return insert.error();
  insert->bind(1, document.id).bind(2, std::int64_t{document.generation}).bind(3, document.name);
  insert->bind(4, document.material_id).bind(5, std::int64_t{request.payload->total_pages});
  if (auto ran = insert->run(); !ran) return ran.error();
  return std::optional<std::int64_t>(database_.last_insert_id());
}

Status ChunkStore::upsert_one(const UpsertRequest& request, Changes& changes) {
  auto document = admit_document(request, changes);
  if (!document) return document.error();
  if (!*document) return {};
  if (auto put = put_pages(**document, *request.payload); !put) return put.error();
  for (std::size_t at = 0; at < request.payload->chunks.size(); ++at) {
    if (auto put = put_chunk(**document, *request.payload, at, changes); !put) return put.error();
  }
  auto count = database_.prepare(
      "UPDATE documents SET pages = (SELECT count(*) FROM pages WHERE document = ?1), "
      "chunks = (SELECT count(*) FROM chunks WHERE document = ?1) WHERE number = ?1");
  if (!count) return count.error();
  return count->bind(1, **document).run();
}

Status ChunkStore::put_pages(std::int64_t document, const messages::IndexUpsert& payload) {
  auto put = database_.prepare("INSERT OR REPLACE INTO pages VALUES(?1, ?2, ?3)");
  if (!put) return put.error();
  for (const messages::Page& page : payload.pages) {
    auto ran = put->bind(1, document).bind(2, std::int64_t{page.number}).bind(3, page.text).run();
    if (!ran) return ran.error();
  }
  return {};
}

// The same chunk again is left alone; a changed one gets a new key, so that derived indexes see a removal and
// an addition whatever the order in which they learn of them.
Status ChunkStore::put_chunk(std::int64_t document, const messages::IndexUpsert& payload, std::size_t at,
                             Changes& changes) {
  const messages::Chunk& chunk = payload.chunks[at];
  const std::string_view vector = row_of(payload, at);
  auto same = database_.prepare(
      "SELECT key, text = ?2 AND heading = ?3 AND model = ?4 AND vector = ?5 AND begin = ?6 AND end = ?7 AND "
      "document = ?8 FROM chunks WHERE id = ?1");
  if (!same) return same.error();
  same->bind(1, chunk.id)
      .bind(2, chunk.text)
      .bind(3, chunk.heading)
      .bind(4, payload.model)
      .bind_blob(5, vector);
  same->bind(6, std::int64_t{chunk.begin}).bind(7, std::int64_t{chunk.end}).bind(8, document);
  auto row = same->step();
  if (!row) return row.error();
  if (*row && same->integer(1) != 0) return {};
  if (*row) {
    const std::int64_t old = same->integer(0);
    same->reset();
    auto remove = database_.prepare("DELETE FROM chunks WHERE key = ?1");
    auto list = database_.prepare("INSERT OR IGNORE INTO removals VALUES(?1, ?2)");
    if (!remove || !list) return remove ? list.error() : remove.error();
    if (auto ran = remove->bind(1, old).run(); !ran) return ran.error();
    if (auto ran = list->bind(1, signed_of(changes.seq)).bind(2, old).run(); !ran) return ran.error();
    // It may have been added earlier in this very transaction.
    changes.added.erase(std::remove_if(changes.added.begin(), changes.added.end(),
                                       [old](const ChunkView& view) { return view.key == old; }),
                        changes.added.end());
    changes.removed.push_back(old);
  }
  auto insert = database_.prepare(
      "INSERT INTO chunks VALUES(NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)");
  if (!insert) return insert.error();
  const std::string_view language = guess_language(chunk.text);
  insert->bind(1, chunk.id)
      .bind(2, document)
      .bind(3, std::int64_t{chunk.page})
      .bind(4, std::int64_t{chunk.ordinal});
  insert->bind(5, std::int64_t{chunk.begin}).bind(6, std::int64_t{chunk.end}).bind(7, chunk.heading);
  insert->bind(8, chunk.type).bind(9, chunk.text).bind(10, language).bind(11, signed_of(changes.seq));
  insert->bind(12, payload.model).bind_blob(13, vector);
  if (auto ran = insert->run(); !ran) return ran.error();
  changes.added.push_back({database_.last_insert_id(), document, payload.document.name, chunk.heading,
                           chunk.text, language, payload.model, vector});
  return {};
}

Status ChunkStore::remove_rows(std::int64_t document, Changes& changes) {
  auto keys = database_.prepare("SELECT key FROM chunks WHERE document = ?1");
  auto list = database_.prepare("INSERT OR IGNORE INTO removals VALUES(?1, ?2)");
  if (!keys || !list) return keys ? list.error() : keys.error();
  keys->bind(1, document);
  while (true) {
    auto row = keys->step();
    if (!row) return row.error();
    if (!*row) break;
    changes.removed.push_back(keys->integer(0));
    auto ran = list->bind(1, signed_of(changes.seq)).bind(2, changes.removed.back()).run();
    if (!ran) return ran.error();
  }
  changes.added.erase(std::remove_if(changes.added.begin(), changes.added.end(),
                                     [document](const ChunkView& view) { return view.document == document; }),
                      changes.added.end());
  for (const char* sql : {"DELETE FROM chunks WHERE document = ?1", "DELETE FROM pages WHERE document = ?1",
                          "DELETE FROM documents WHERE number = ?1"}) {
    auto remove = database_.prepare(sql);
    if (!remove) return remove.error();
    if (auto ran = remove->bind(1, document).run(); !ran) return ran.error();
  }
  return {};
}

Status ChunkStore::bury(const std::string& document, std::uint32_t generation) {
  auto put = database_.prepare(
      "INSERT INTO tombstones VALUES(?1, ?2) ON CONFLICT(document) DO UPDATE SET generation = "
      "max(generation, excluded.generation)");
  if (!put) return put.error();
  return put->bind(1, document).bind(2, std::int64_t{generation}).run();
}

Status ChunkStore::cancel_groups(const std::vector<std::string>& groups) {
  auto put = database_.prepare("INSERT OR IGNORE INTO cancelled_groups VALUES(?1)");
  if (!put) return put.error();
  for (const std::string& group : groups) {
    if (group.empty()) continue;
    if (auto ran = put->bind(1, group).run(); !ran) return ran.error();
  }
  return {};
}

Result<Changes> ChunkStore::remove(const messages::IndexDelete& request, std::uint64_t owner_epoch) {
  auto transaction = store::Transaction::begin(database_);
  if (!transaction) return transaction.error();
  if (auto owned = check_owner(owner_epoch); !owned) return owned.error();
  auto seq = next_seq();
  if (!seq) return seq.error();
  Changes changes;
  changes.seq = *seq;
  if (auto buried = bury(request.document.id, request.document.generation); !buried) return buried.error();
  if (auto cancelled = cancel_groups(request.groups); !cancelled) return cancelled.error();
  auto found = find_document(request.document.id);
  if (!found) return found.error();
  if (*found && (*found)->generation <= request.document.generation) {
    if (auto removed = remove_rows((*found)->number, changes); !removed) return removed.error();
  }
  if (auto committed = transaction->commit(); !committed) return committed.error();
  return changes;
}

Result<Changes> ChunkStore::drop(const messages::IndexDrop& request, std::uint64_t owner_epoch) {
  auto transaction = store::Transaction::begin(database_);
  if (!transaction) return transaction.error();
  if (auto owned = check_owner(owner_epoch); !owned) return owned.error();
  auto seq = next_seq();
  if (!seq) return seq.error();
  Changes changes;
  changes.seq = *seq;
  if (auto cancelled = cancel_groups(request.groups); !cancelled) return cancelled.error();
  std::vector<std::pair<std::int64_t, std::string>> documents;
  auto query = database_.prepare("SELECT number, id FROM documents");
  if (!query) return query.error();
  while (true) {
    auto row = query->step();
    if (!row) return row.error();
    if (!*row) break;
    documents.emplace_back(query->integer(0), query->text(1));
  }
  for (const auto& [number, id] : documents) {
    if (auto buried = bury(id, std::numeric_limits<std::uint32_t>::max()); !buried) return buried.error();
    if (auto removed = remove_rows(number, changes); !removed) return removed.error();
  }
  if (auto committed = transaction->commit(); !committed) return committed.error();
  return changes;
}

Status ChunkStore::replay(std::uint64_t seq, const std::function<void(std::int64_t)>& removed,
                          const std::function<void(const ChunkView&)>& added) {
  auto removals = database_.prepare("SELECT key FROM removals WHERE seq > ?1");
  if (!removals) return removals.error();
  removals->bind(1, signed_of(seq));
  while (true) {
    auto row = removals->step();
    if (!row) return row.error();
    if (!*row) break;
    removed(removals->integer(0));
  }
  auto chunks = database_.prepare(
      "SELECT c.key, c.document, d.name, c.heading, c.text, c.language, c.model, c.vector FROM chunks c "
      "JOIN documents d ON d.number = c.document WHERE c.seq > ?1");
  if (!chunks) return chunks.error();
  chunks->bind(1, signed_of(seq));
  while (true) {
    auto row = chunks->step();
    if (!row) return row.error();
    if (!*row) return {};
    const std::string name = chunks->text(2);
    const std::string heading = chunks->text(3);
    const std::string text = chunks->text(4);
    const std::string language = chunks->text(5);
    const std::string model = chunks->text(6);
    const std::string vector = chunks->text(7);
    added({chunks->integer(0), chunks->integer(1), name, heading, text, language, model, vector});
  }
}

}  // namespace answermill::index
