#include "frontend/server/catalog/catalog.h"

#include "frontend/server/catalog/query.h"

namespace answermill::frontend {
namespace {

// Migration n brings a file from version n to n + 1. Only ever append.
constexpr const char* kMigrations[] = {
    R"sql(
    CREATE TABLE collections(
      name TEXT PRIMARY KEY, created_ms INTEGER NOT NULL, drop_id TEXT NOT NULL DEFAULT '') WITHOUT ROWID;
    CREATE TABLE documents(
      number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
      collection TEXT NOT NULL REFERENCES collections(name), blob TEXT NOT NULL, type TEXT NOT NULL,
      material_id TEXT NOT NULL, size INTEGER NOT NULL, generation INTEGER NOT NULL, state INTEGER NOT NULL,
      error_code INTEGER NOT NULL DEFAULT 0, error_message TEXT NOT NULL DEFAULT '',
      pages INTEGER NOT NULL DEFAULT 0, pages_extracted INTEGER NOT NULL DEFAULT 0,
      pages_embedded INTEGER NOT NULL DEFAULT 0, pages_searchable INTEGER NOT NULL DEFAULT 0,
      pages_failed INTEGER NOT NULL DEFAULT 0, chunks INTEGER NOT NULL DEFAULT 0,
      created_ms INTEGER NOT NULL, finished_ms INTEGER NOT NULL DEFAULT 0);
    CREATE INDEX documents_by_collection ON documents(collection);
    CREATE INDEX documents_by_state ON documents(state);
    CREATE INDEX documents_by_blob ON documents(blob);
    CREATE TABLE warnings(
      document TEXT NOT NULL REFERENCES documents(id) ON DELETE CASCADE, page INTEGER NOT NULL,
      code INTEGER NOT NULL, message TEXT NOT NULL);
    CREATE INDEX warnings_by_document ON warnings(document);
    CREATE TABLE conversations(
      number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, owner TEXT NOT NULL, title TEXT NOT NULL,
      collection TEXT NOT NULL, created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL);
    CREATE INDEX conversations_by_owner ON conversations(owner, updated_ms);
    CREATE TABLE messages(
      number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
      conversation TEXT NOT NULL REFERENCES conversations(id) ON DELETE CASCADE, role TEXT NOT NULL,
      text TEXT NOT NULL, stream TEXT NOT NULL, question TEXT NOT NULL DEFAULT '',
      collection TEXT NOT NULL DEFAULT '', request_id TEXT, status INTEGER NOT NULL, state BLOB,
      created_ms INTEGER NOT NULL);
    CREATE INDEX messages_by_conversation ON messages(conversation, number);
    CREATE UNIQUE INDEX answers_by_stream ON messages(stream) WHERE role = 'assistant';
    CREATE UNIQUE INDEX answers_by_request ON messages(request_id) WHERE request_id IS NOT NULL;
    )sql",
    R"sql(
    ALTER TABLE messages ADD COLUMN submission BLOB;
    CREATE INDEX unsettled_answers ON messages(created_ms) WHERE role = 'assistant' AND status = 0;
    )sql",
};

CollectionRow read_collection(const store::Statement& row) {
  return {row.text(0), static_cast<std::uint64_t>(row.integer(3)), static_cast<std::uint64_t>(row.integer(4)),
          row.integer(1), row.text(2)};
}

constexpr std::string_view kSelectCollections =
    "SELECT c.name, c.created_ms, c.drop_id, COUNT(d.id), COALESCE(SUM(d.pages_searchable), 0)"
    " FROM collections c LEFT JOIN documents d ON d.collection = c.name ";

Error no_collection() { return {ErrorCode::kNotFound, "There is no collection with this name."}; }

}  // namespace

bool is_collection_name(std::string_view name) {
  if (name.empty() || name.size() > 64 || name.front() == '.') return false;
  return name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") ==
         std::string_view::npos;
}

Result<std::unique_ptr<Catalog>> Catalog::open(const std::string& path, store::BlobStore& blobs,
                                               std::int64_t now_ms) {
  auto database = store::Database::open(path, store::Synchronous::kFull);
  if (!database) return database.error();
  std::unique_ptr<Catalog> catalog(new Catalog(std::move(*database), blobs));
  if (auto migrated = catalog->migrate(now_ms); !migrated) return migrated.error();
  return catalog;
}

Catalog::Log Catalog::look_at_log() {
  constexpr int kPieceOfLog = 1000;  // pages
  constexpr int kRestOfLog = 250;
  constexpr int kLongestLog = 8000;
  const int fresh = database_.pages_logged();
  if (fresh >= kRestOfLog && database_.log_pages() >= kLongestLog) return Log::kTooLong;
  if (fresh < kPieceOfLog) return Log::kShort;
  database_.count_as_copied();
  return Log::kLong;
}

Status Catalog::migrate(std::int64_t now_ms) {
  // Several frontends start at once: the transaction makes one of them do the work.
  auto transaction = store::Transaction::begin(database_);
  if (!transaction) return transaction.error();
  auto version = database_.user_version();
  if (!version) return version.error();
  const auto newest = static_cast<std::int64_t>(std::size(kMigrations));
  if (*version > newest) {
    return Error{ErrorCode::kUnsupported, "The catalog was written by a newer version of Answermill."};
  }
  for (std::int64_t step = *version; step < newest; ++step) {
    if (auto ran = database_.execute(kMigrations[step]); !ran) return ran.error();
  }
  if (*version < newest) {
    if (auto set = database_.set_user_version(newest); !set) return set.error();
  }
  if (auto made = ensure_collection(kDefaultCollection, now_ms); !made) return made.error();
  return transaction->commit();
}

Status Catalog::ensure_collection(std::string_view name, std::int64_t now_ms) {
  return sql::run(database_, "INSERT OR IGNORE INTO collections(name, created_ms) VALUES(?, ?)", name,
                  now_ms);
}

Result<std::vector<CollectionRow>> Catalog::collections() {
  auto statement = sql::query(database_, std::string(kSelectCollections) + "GROUP BY c.name ORDER BY c.name");
  if (!statement) return statement.error();
  std::vector<CollectionRow> rows;
  while (true) {
    auto row = statement->step();
    if (!row) return row.error();
    if (!*row) return rows;
    rows.push_back(read_collection(*statement));
  }
}

Result<CollectionRow> Catalog::collection(std::string_view name) {
  auto statement =
      sql::query(database_, std::string(kSelectCollections) + "WHERE c.name = ? GROUP BY c.name", name);
  if (!statement) return statement.error();
  auto row = statement->step();
  if (!row) return row.error();
  if (!*row) return no_collection();
  return read_collection(*statement);
}

Result<CollectionRow> Catalog::create_collection(std::string_view name, std::int64_t now_ms) {
  if (!is_collection_name(name)) {
    return Error{
        ErrorCode::kInvalidArgument,
        "A collection's name has 1 to 64 letters, digits, '_', '-' or '.', and does not start with a dot."};
  }
  auto inserted =
      sql::run(database_, "INSERT OR IGNORE INTO collections(name, created_ms) VALUES(?, ?)", name, now_ms);
  if (!inserted) return inserted.error();
  if (database_.changes() == 0)
    return Error{ErrorCode::kConflict, "A collection with this name exists already."};
  return collection(name);
}

Result<Catalog::Drop> Catalog::begin_drop(std::string_view name, std::string_view new_id) {
  auto transaction = store::Transaction::begin(database_);
  if (!transaction) return transaction.error();
  auto row = collection(name);
  if (!row) return row.error();
  Drop drop{row->drop.empty() ? std::string(new_id) : row->drop, row->name, {}};
  auto marked = sql::run(database_, "UPDATE collections SET drop_id = ? WHERE name = ?", drop.id, name);
  if (!marked) return marked.error();
  marked = sql::run(database_, "UPDATE documents SET state = ? WHERE collection = ?",
                    DocumentState::kDeleting, name);
  if (!marked) return marked.error();
  auto documents = select_documents("WHERE collection = ?", name);
  if (!documents) return documents.error();
  for (const auto& document : *documents) drop.groups.push_back(document.group());
  if (auto committed = transaction->commit(); !committed) return committed.error();
  return drop;
}

Result<std::vector<Catalog::Drop>> Catalog::unfinished_drops() {
  auto all = collections();
  if (!all) return all.error();
  std::vector<Drop> drops;
  for (const auto& row : *all) {
    if (row.drop.empty()) continue;
    auto drop = begin_drop(row.name, row.drop);
    if (!drop) return drop.error();
    drops.push_back(std::move(*drop));
  }
  return drops;
}

Status Catalog::renew_drop(std::string_view name, std::string_view new_id) {
  return sql::run(database_, "UPDATE collections SET drop_id = ? WHERE name = ? AND drop_id <> ''", new_id,
                  name);
}

Status Catalog::finish_drop(std::string_view name) {
  auto transaction = store::Transaction::begin(database_);
  if (!transaction) return transaction.error();
  auto row = collection(name);
  if (!row) return row.error().code == ErrorCode::kNotFound ? Status{} : Status{row.error()};
  if (row->drop.empty()) return {};
  auto documents = select_documents("WHERE collection = ?", name);
  if (!documents) return documents.error();
  if (auto gone = sql::run(database_, "DELETE FROM documents WHERE collection = ?", name); !gone) return gone;
  for (const auto& document : *documents) {
    if (auto removed = remove_blob_if_unused(document.blob); !removed) return removed;
  }
  Status dropped = name == kDefaultCollection
                       ? sql::run(database_, "UPDATE collections SET drop_id = '' WHERE name = ?", name)
                       : sql::run(database_, "DELETE FROM collections WHERE name = ?", name);
  if (!dropped) return dropped;
  return transaction->commit();
}

}  // namespace answermill::frontend
