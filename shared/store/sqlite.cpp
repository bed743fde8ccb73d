#include "shared/store/sqlite.h"

#include <sqlite3.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <unordered_map>

namespace answermill::store {
namespace {

// A write that found no room; SQLite has a code of its own only for one of the ways to meet that. A sync that
// failed is never among them: what it should have kept may be lost already.
bool lacks_space(sqlite3* database, int code) {
  if ((code & 0xFF) == SQLITE_FULL) return true;
  if (code != SQLITE_IOERR_WRITE && code != SQLITE_IOERR_SHMSIZE && code != SQLITE_IOERR_SHMOPEN &&
      code != SQLITE_IOERR_TRUNCATE) {
    return false;
  }
  const int reason = sqlite3_system_errno(database);
  return reason == ENOSPC || reason == EDQUOT || reason == EFBIG;
}

Error error_of(sqlite3* database) {
  const int code = database != nullptr ? sqlite3_extended_errcode(database) : SQLITE_NOMEM;
  const std::string message = database != nullptr ? sqlite3_errmsg(database) : "out of memory";
  if (database != nullptr && lacks_space(database, code)) {
    return {ErrorCode::kDiskFull, "the disk is full: " + message};
  }
  switch (code & 0xFF) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {ErrorCode::kBusy, "a database is locked: " + message};
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return {ErrorCode::kDamaged, "a database file is damaged: " + message};
    default:
      return {ErrorCode::kInternal, "a database failed: " + message};
  }
}

}  // namespace

class StatementCache {
 public:
  StatementCache() = default;
  StatementCache(const StatementCache&) = delete;
  StatementCache& operator=(const StatementCache&) = delete;
  ~StatementCache() {
    for (const auto& [sql, statement] : idle_) sqlite3_finalize(statement);
  }

  sqlite3_stmt* take(const std::string& sql) {
    const auto found = idle_.find(sql);
    if (found == idle_.end()) return nullptr;
    sqlite3_stmt* statement = found->second;
    idle_.erase(found);
    return statement;
  }

  void give_back(sqlite3_stmt* statement) {
    constexpr std::size_t kMost = 64;
    if (idle_.size() >= kMost) {
      sqlite3_finalize(statement);
      return;
    }
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    idle_.emplace(sqlite3_sql(statement), statement);
  }

 private:
  std::unordered_multimap<std::string, sqlite3_stmt*> idle_;
};

void Statement::Release::operator()(sqlite3_stmt* statement) const {
  if (const auto alive = cache.lock()) {
    alive->give_back(statement);
  } else {
    sqlite3_finalize(statement);
  }
}

void Database::Close::operator()(sqlite3* database) const { sqlite3_close_v2(database); }

Statement& Statement::bind(int index, std::int64_t value) {
  sqlite3_bind_int64(statement_.get(), index, value);
  return *this;
}

Statement& Statement::bind(int index, double value) {
  sqlite3_bind_double(statement_.get(), index, value);
  return *this;
}

Statement& Statement::bind(int index, std::string_view text) {
  sqlite3_bind_text64(statement_.get(), index, text.data() != nullptr ? text.data() : "", text.size(),
                      SQLITE_TRANSIENT, SQLITE_UTF8);
  return *this;
}

Statement& Statement::bind_blob(int index, std::string_view bytes) {
  sqlite3_bind_blob64(statement_.get(), index, bytes.data() != nullptr ? bytes.data() : "", bytes.size(),
                      SQLITE_TRANSIENT);
  return *this;
}

Statement& Statement::bind_view(int index, std::string_view text) {
  sqlite3_bind_text64(statement_.get(), index, text.data() != nullptr ? text.data() : "", text.size(),
                      SQLITE_STATIC, SQLITE_UTF8);
  return *this;
}

Statement& Statement::bind_blob_view(int index, std::string_view bytes) {
  sqlite3_bind_blob64(statement_.get(), index, bytes.data() != nullptr ? bytes.data() : "", bytes.size(),
                      SQLITE_STATIC);
  return *this;
}

Statement& Statement::bind_null(int index) {
  sqlite3_bind_null(statement_.get(), index);
  return *this;
}

Result<bool> Statement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) {
    reset();
    return false;
  }
  Error error = error_of(sqlite3_db_handle(statement_.get()));
  reset();
  return error;
}

Status Statement::run() {
  while (true) {
    auto row = step();
    if (!row) return row.error();
    if (!*row) return {};
  }
}

void Statement::reset() {
  sqlite3_reset(statement_.get());
  sqlite3_clear_bindings(statement_.get());
}

std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_.get(), column); }
double Statement::real(int column) const { return sqlite3_column_double(statement_.get(), column); }

std::string Statement::text(int column) const { return std::string(view(column)); }

std::string_view Statement::view(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_.get(), column));
  const int size = sqlite3_column_bytes(statement_.get(), column);
  return bytes != nullptr ? std::string_view(bytes, static_cast<std::size_t>(size)) : std::string_view();
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

Result<Database> Database::open(const std::string& path, Synchronous synchronous) {
  Database database;
  sqlite3* handle = nullptr;
  const mode_t before = ::umask(0077);
  const int code = sqlite3_open_v2(path.c_str(), &handle,
                                   SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  ::umask(before);
  database.database_.reset(handle);
  if (code != SQLITE_OK) return error_of(handle);
  sqlite3_extended_result_codes(handle, 1);
  sqlite3_busy_timeout(handle, 5000);
  if (auto ran = database.execute("PRAGMA journal_mode=WAL; PRAGMA foreign_keys=ON"); !ran)
    return ran.error();
  if (auto ran = database.set_synchronous(synchronous); !ran) return ran.error();
  return database;
}

Result<Database> Database::open_read_only(const std::string& path) {
  Database database;
  sqlite3* handle = nullptr;
  const int code =
      sqlite3_open_v2(path.c_str(), &handle, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, nullptr);
  database.database_.reset(handle);
  if (code != SQLITE_OK) return error_of(handle);
  sqlite3_extended_result_codes(handle, 1);
  sqlite3_busy_timeout(handle, 5000);
  return database;
}

Result<Statement> Database::prepare(std::string_view sql) {
  if (!statements_) statements_ = std::make_shared<StatementCache>();
  if (sqlite3_stmt* known = statements_->take(std::string(sql))) return Statement(known, statements_);
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v3(database_.get(), sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                         &statement, nullptr) != SQLITE_OK) {
    return error_of(database_.get());
  }
  return Statement(statement, statements_);
}

Status Database::execute(const std::string& sql) {
  if (sqlite3_exec(database_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
    return error_of(database_.get());
  }
  return {};
}

Status Database::set_synchronous(Synchronous synchronous) {
  return execute(synchronous == Synchronous::kFull ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
}

std::int64_t Database::changes() const { return sqlite3_changes64(database_.get()); }
std::int64_t Database::last_insert_id() const { return sqlite3_last_insert_rowid(database_.get()); }

Result<std::int64_t> Database::integer(std::string_view sql) {
  auto query = prepare(sql);
  if (!query) return query.error();
  auto row = query->step();
  if (!row) return row.error();
  if (!*row) return Error{ErrorCode::kNotFound, "a database has no answer to: " + std::string(sql)};
  return query->integer(0);
}

Result<std::int64_t> Database::user_version() { return integer("PRAGMA user_version"); }

void Database::checkpoint_by_hand() {
  const auto hook = [](void* state, sqlite3*, const char*, int frames) {
    auto& wal = *static_cast<Wal*>(state);
    if (frames < wal.copied) wal.copied = 0;  // the log began anew
    wal.total = frames;
    return SQLITE_OK;
  };
  sqlite3_wal_hook(database_.get(), hook, wal_.get());
}

Status Database::checkpoint() {
  int frames = 0;
  int copied = 0;
  const int code =
      sqlite3_wal_checkpoint_v2(database_.get(), nullptr, SQLITE_CHECKPOINT_PASSIVE, &frames, &copied);
  wal_->total = wal_->copied = std::max(frames, 0);
  if (code == SQLITE_OK || code == SQLITE_BUSY) return {};
  return error_of(database_.get());
}

Status Database::set_user_version(std::int64_t version) {
  return execute("PRAGMA user_version=" + std::to_string(version));
}

Result<Transaction> Transaction::begin(Database& database) {
  if (auto begun = database.execute("BEGIN IMMEDIATE"); !begun) return begun.error();
  return Transaction(&database);
}

Transaction::~Transaction() {
  if (database_ != nullptr) {
    const auto rolled_back = database_->execute("ROLLBACK");
    (void)rolled_back;  // nothing is open any more when SQLite rolled back by itself
  }
}

Status Transaction::commit() {
  auto committed = database_->execute("COMMIT");
  if (committed) database_ = nullptr;
  return committed;
}

}  // namespace answermill::store
