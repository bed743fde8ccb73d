// A thin, typed layer over SQLite's C API: one connection, prepared statements, transactions.
//
// Thread: a Database and its Statements are used by one thread. Errors: kDiskFull (nothing was changed),
// kBusy, kDamaged, kInternal; text is bound and read as UTF-8, blobs as std::string. Source:
// https://www.sqlite.org/c3ref/intro.html
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "shared/base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace answermill::store {

// Compiled statements that nobody uses at present; compiling one takes longer than most of them run.
class StatementCache;

class Statement {
 public:
  Statement() = default;
  Statement(sqlite3_stmt* statement, std::weak_ptr<StatementCache> cache)
      : statement_(statement, {std::move(cache)}) {}

  // Parameters count from 1; each returns *this. Text and blobs are copied.
  Statement& bind(int index, std::int64_t value);
  Statement& bind(int index, double value);
  Statement& bind(int index, std::string_view text);
  Statement& bind_blob(int index, std::string_view bytes);
  // Not copied: the bytes must stay where they are until the statement is done.
  Statement& bind_view(int index, std::string_view text);
  Statement& bind_blob_view(int index, std::string_view bytes);
  Statement& bind_null(int index);

  // True: a row is ready. False: done. After done or an error the statement is reset and its bindings
  // cleared.
  Result<bool> step();
  // For statements without rows (or whose rows do not matter).
  Status run();
  void reset();

  // Columns count from 0.
  std::int64_t integer(int column) const;
  double real(int column) const;
  std::string text(int column) const;       // blobs too
  std::string_view view(int column) const;  // text or blob, until the next step() or reset()
  bool is_null(int column) const;

  explicit operator bool() const { return statement_ != nullptr; }

 private:
  struct Release {
    void operator()(sqlite3_stmt* statement) const;
    std::weak_ptr<StatementCache> cache;
  };
  std::unique_ptr<sqlite3_stmt, Release> statement_;
};

enum class Synchronous { kFull, kNormal };

class Database {
 public:
  Database() = default;
  // WAL mode, foreign keys on, busy timeout 5 s. Makes the file (0600) when it is missing; ":memory:" works.
  static Result<Database> open(const std::string& path, Synchronous synchronous);

  // An existing file, to look at: beside a writer, or a copy with its -wal. Nothing in it is changed.
  static Result<Database> open_read_only(const std::string& path);

  // A text that was compiled before, and is not in use, costs a lookup.
  Result<Statement> prepare(std::string_view sql);
  // Runs one or several statements without parameters.
  Status execute(const std::string& sql);
  std::int64_t changes() const;
  std::int64_t last_insert_id() const;
  // For the transactions that follow; not inside one.
  Status set_synchronous(Synchronous synchronous);
  // PRAGMA user_version, for schema migrations.
  Result<std::int64_t> user_version();
  Status set_user_version(std::int64_t version);

  // The first column of the first row. Errors: kNotFound without one.
  Result<std::int64_t> integer(std::string_view sql);

  // From now on the log is copied into the file by checkpoint() only, not within some commit.
  void checkpoint_by_hand();
  // Pages our commits added to the log since the last checkpoint() (0 unless by hand).
  int pages_logged() const { return wal_->total - wal_->copied; }
  int log_pages() const { return wal_->total; }  // in all, with those that are copied
  // Somebody else copies what is in the log now.
  void count_as_copied() { wal_->copied = wal_->total; }
  // Copies the log into the file as far as readers allow, without waiting for them. Errors: as for commits.
  Status checkpoint();

  sqlite3* handle() const { return database_.get(); }
  explicit operator bool() const { return database_ != nullptr; }

 private:
  struct Close {
    void operator()(sqlite3* database) const;
  };
  struct Wal {
    int total = 0;   // frames in the log after our last commit
    int copied = 0;  // of those, the ones the last checkpoint() saw
  };
  std::unique_ptr<Wal> wal_ = std::make_unique<Wal>();  // outlives the connection that writes it
  std::unique_ptr<sqlite3, Close> database_;
  std::shared_ptr<StatementCache> statements_;
};

// BEGIN IMMEDIATE … COMMIT; rolls back when destroyed before commit().
class Transaction {
 public:
  static Result<Transaction> begin(Database& database);
  ~Transaction();
  Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;

  Status commit();

 private:
  explicit Transaction(Database* database) : database_(database) {}
  Database* database_;
};

}  // namespace answermill::store
