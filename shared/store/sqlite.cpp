#include "shared/store/sqlite.h"

#include <sqlite3.h>
#include <sys/stat.h>

namespace answermill::store {
namespace {

Error error_of(sqlite3* database) {
  const int code = database != nullptr ? sqlite3_errcode(database) : SQLITE_NOMEM;
  const std::string message = database != nullptr ? sqlite3_errmsg(database) : "out of memory";
  switch (code & 0xFF) {
    case SQLITE_FULL:
      return {ErrorCode::kDiskFull, "the disk is full: " + message};
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

void Statement::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
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

std::string Statement::text(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_.get(), column));
  const int size = sqlite3_column_bytes(statement_.get(), column);
  return bytes != nullptr ? std::string(bytes, static_cast<std::size_t>(size)) : std::string();
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

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v3(database_.get(), sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                         &statement, nullptr) != SQLITE_OK) {
    return error_of(database_.get());
  }
  return Statement(statement);
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

Result<std::int64_t> Database::user_version() {
  auto query = prepare("PRAGMA user_version");
  if (!query) return query.error();
  auto row = query->step();
  if (!row) return row.error();
  return query->integer(0);
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
