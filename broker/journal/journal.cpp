#include "broker/journal/journal.h"

#include <chrono>
#include <cstdlib>
#include <ctime>

#include "shared/log/log.h"

namespace answermill::broker {
namespace {

constexpr const char* kTables[] = {"jobs", "groups", "streams", "requests"};
constexpr std::int64_t kRequestMemorySeconds = 24 * 3600;
constexpr std::chrono::milliseconds kFullDiskPause{500};
constexpr std::int64_t kSchemaVersion = 1;

std::size_t index_of(JournalTable table) { return static_cast<std::size_t>(table); }

}  // namespace

Result<std::unique_ptr<Journal>> Journal::open(const std::string& path) {
  auto journal = std::unique_ptr<Journal>(new Journal());
  auto database = store::Database::open(path, store::Synchronous::kFull);
  if (!database) return database.error();
  journal->database_ = std::move(*database);
  if (auto migrated = journal->migrate(); !migrated) return migrated.error();
  return journal;
}

Status Journal::migrate() {
  auto version = database_.user_version();
  if (!version) return version.error();
  if (*version > kSchemaVersion) {
    return Error{ErrorCode::kUnsupported, "the journal was written by a newer Answermill; upgrade this one"};
  }
  auto ran = database_.execute(
      "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID;"
      "INSERT OR IGNORE INTO meta VALUES ('boot', 0);"
      "UPDATE meta SET value = value + 1 WHERE name = 'boot';"
      "CREATE TABLE IF NOT EXISTS jobs (key TEXT PRIMARY KEY, value BLOB, at INTEGER) WITHOUT ROWID;"
      "CREATE TABLE IF NOT EXISTS groups (key TEXT PRIMARY KEY, value BLOB, at INTEGER) WITHOUT ROWID;"
      "CREATE TABLE IF NOT EXISTS streams (key TEXT PRIMARY KEY, value BLOB, at INTEGER) WITHOUT ROWID;"
      "CREATE TABLE IF NOT EXISTS requests (key TEXT PRIMARY KEY, value BLOB, at INTEGER) WITHOUT ROWID;");
  if (!ran) return ran;
  if (auto set = database_.set_user_version(kSchemaVersion); !set) return set;
  auto boot = database_.prepare("SELECT value FROM meta WHERE name = 'boot'");
  if (!boot) return boot.error();
  if (auto row = boot->step(); !row) return row.error();
  boot_ = static_cast<std::uint32_t>(boot->integer(0));
  for (std::size_t i = 0; i < std::size(kTables); ++i) {
    auto put = database_.prepare(std::string("INSERT OR REPLACE INTO ") + kTables[i] + " VALUES (?, ?, ?)");
    if (!put) return put.error();
    put_[i] = std::move(*put);
    auto erase = database_.prepare(std::string("DELETE FROM ") + kTables[i] + " WHERE key = ?");
    if (!erase) return erase.error();
    erase_[i] = std::move(*erase);
  }
  return prune();
}

Status Journal::prune() {
  auto old = database_.prepare("DELETE FROM requests WHERE at < ?");
  if (!old) return old.error();
  return old->bind(1, static_cast<std::int64_t>(std::time(nullptr)) - kRequestMemorySeconds).run();
}

Result<std::vector<JournalRow>> Journal::recover() {
  std::vector<JournalRow> rows;
  // Groups, streams and requests first: jobs refer to them.
  for (const auto table :
       {JournalTable::kRequest, JournalTable::kGroup, JournalTable::kStream, JournalTable::kJob}) {
    auto query = database_.prepare(std::string("SELECT key, value FROM ") + kTables[index_of(table)] +
                                   " ORDER BY at, key");
    if (!query) return query.error();
    while (true) {
      auto row = query->step();
      if (!row) return row.error();
      if (!*row) break;
      rows.push_back({table, query->text(0), query->text(1)});
    }
  }
  return rows;
}

void Journal::start(std::function<void(std::uint64_t)> committed) {
  committed_ = std::move(committed);
  writer_ = std::thread([this] { write_loop(); });
}

Journal::~Journal() {
  if (!writer_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  writer_.join();
}

void Journal::append(std::vector<JournalOp> ops, std::uint64_t ticket) {
  {
    const std::lock_guard lock(mutex_);
    std::move(ops.begin(), ops.end(), std::back_inserter(waiting_.ops));
    waiting_.ticket = ticket;
    has_work_ = true;
  }
  wake_.notify_one();
}

void Journal::write_loop() {
  while (true) {
    Batch batch;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return has_work_ || stopping_; });
      if (!has_work_) return;
      batch = std::exchange(waiting_, Batch{});
      has_work_ = false;
    }
    while (true) {
      const auto wrote = write(batch.ops);
      if (wrote) break;
      healthy_ = false;
      log::error("journal cannot write: {}", wrote.error().message);
      if (wrote.error().code != ErrorCode::kDiskFull) std::abort();
      std::this_thread::sleep_for(kFullDiskPause);  // this thread has nothing else to do until there is space
    }
    healthy_ = true;
    committed_(batch.ticket);
  }
}

Status Journal::write(const std::vector<JournalOp>& ops) {
  const auto now = static_cast<std::int64_t>(std::time(nullptr));
  auto transaction = store::Transaction::begin(database_);
  if (!transaction) return transaction.error();
  for (const auto& op : ops) {
    const std::size_t table = index_of(op.table);
    Status ran = op.erase ? erase_[table].bind(1, op.key).run()
                          : put_[table].bind(1, op.key).bind_blob(2, op.value).bind(3, now).run();
    if (!ran) return ran;
  }
  return transaction->commit();
}

}  // namespace answermill::broker
