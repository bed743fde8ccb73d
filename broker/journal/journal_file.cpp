#include "broker/journal/journal_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include <algorithm>
#include <string_view>

#include "broker/journal/schema.h"
#include "broker/journal/wal_scan.h"
#include "shared/base/crc32c.h"
#include "shared/log/log.h"

namespace answermill::broker {
namespace {

// Groups, streams and requests first: jobs refer to them.
constexpr std::array kReadingOrder = {JournalTable::kRequest, JournalTable::kGroup, JournalTable::kStream,
                                      JournalTable::kJob};
constexpr int kCheckpointPages = 2000;           // 8 MB of log: a few milliseconds of copying
constexpr std::int64_t kForgetStep = 500;        // requests in one step
constexpr std::int64_t kCompactionStep = 1024;   // pages in one step
constexpr std::int64_t kCompactionPause = 60;    // seconds
constexpr std::int64_t kWorthCompacting = 1024;  // free pages
constexpr std::int64_t kMostReserved = 4'000'000;

constexpr std::string_view kWhatToDo =
    "; copy the folder, look with 'answermill journal check' and 'answermill journal export', then move "
    "journal.sqlite and its -wal away to start without them, or put a backup in their place";

std::size_t index_of(JournalTable table) { return static_cast<std::size_t>(table); }

Error explained(Error error) {
  if (error.code == ErrorCode::kDamaged) error.message += kWhatToDo;
  return error;
}

}  // namespace

std::uint32_t journal_checksum(JournalTable table, std::int64_t id, std::int64_t at, std::string_view key,
                               std::string_view value) {
  const std::array<std::int64_t, 4> head = {static_cast<std::int64_t>(table), id, at,
                                            static_cast<std::int64_t>(key.size())};
  const auto start = crc32c({reinterpret_cast<const char*>(head.data()), sizeof head});
  return crc32c(value, crc32c(key, start));
}

// What a transaction changed in memory, to be taken back when the disk had no room for it.
struct JournalFile::Undo {
  struct Entry {
    JournalTable table;
    std::string_view key;  // of the batch
    bool existed;
    RowRef before;
  };
  std::vector<Entry> entries;
  std::array<JournalLedger, kJournalTables> ledgers;
  std::array<std::int64_t, kJournalTables> next_ids{};

  explicit Undo(const std::array<Table, kJournalTables>& tables) {
    for (std::size_t i = 0; i < kJournalTables; ++i) {
      ledgers[i] = tables[i].ledger;
      next_ids[i] = tables[i].next_id;
    }
  }
  void run(std::array<Table, kJournalTables>& tables) {
    for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
      auto& rows = tables[index_of(entry->table)].rows;
      if (entry->existed) {
        rows[std::string(entry->key)] = entry->before;
      } else {
        rows.erase(std::string(entry->key));
      }
    }
    for (std::size_t i = 0; i < kJournalTables; ++i) {
      tables[i].ledger = ledgers[i];
      tables[i].next_id = next_ids[i];
    }
  }
};

Result<std::unique_ptr<JournalFile>> JournalFile::open(const std::string& path) {
  auto file = std::unique_ptr<JournalFile>(new JournalFile());
  if (auto locked = file->lock(path); !locked) return locked.error();
  if (auto whole = check_wal(path + "-wal"); !whole) return explained(whole.error());
  auto database = store::Database::open(path, store::Synchronous::kFull);
  if (!database) return explained(database.error());
  file->database_ = std::move(*database);
  if (auto ready = prepare_schema(file->database_); !ready) return explained(ready.error());
  if (auto ready = file->prepare(); !ready) return explained(ready.error());
  if (auto raised = file->raise_boot(); !raised) return explained(raised.error());
  return file;
}

// Two brokers on one journal would both believe to be the only one.
Status JournalFile::lock(const std::string& path) {
  lock_ = UniqueFd(::open((path + ".lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  if (!lock_)
    return Error{ErrorCode::kUnavailable, "cannot make " + path + ".lock; may this user write there?"};
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) == 0) return {};
  return Error{ErrorCode::kBusy, "another broker uses " + path};
}

Status JournalFile::prepare() {
  database_.checkpoint_by_hand();
  for (std::size_t i = 0; i < kJournalTables; ++i) {
    const std::string name = kJournalTableNames[i];
    auto put = database_.prepare("INSERT OR REPLACE INTO " + name + " VALUES (?, ?, ?, ?, ?)");
    if (!put) return put.error();
    tables_[i].put = std::move(*put);
    auto erase = database_.prepare("DELETE FROM " + name + " WHERE id = ?");
    if (!erase) return erase.error();
    tables_[i].erase = std::move(*erase);
  }
  auto ledger = database_.prepare("INSERT OR REPLACE INTO meta VALUES (?, ?, ?, ?)");
  if (!ledger) return ledger.error();
  ledger_ = std::move(*ledger);
  return {};
}

Status JournalFile::raise_boot() {
  auto transaction = store::Transaction::begin(database_);
  if (!transaction) return transaction.error();
  const auto boot = read_meta(database_, "boot");
  if (!boot) return boot.error();
  boot_ = static_cast<std::uint32_t>(boot->first) + 1;
  if (auto wrote = write_meta(ledger_, "boot", boot_, 0); !wrote) return wrote;
  return transaction->commit();
}

Status JournalFile::recover(const std::function<void(const JournalRowView&)>& take, std::int64_t now) {
  for (const auto which : kReadingOrder) {
    Table& table = tables_[index_of(which)];
    const char* name = kJournalTableNames[index_of(which)];
    const auto stored = read_meta(database_, name);
    if (!stored && stored.error().code != ErrorCode::kDamaged) return stored.error();
    std::vector<std::int64_t> bad;
    if (auto read = read_table(which, take, now, bad); !read) return explained(read.error());
    const auto found = table.ledger.rows + static_cast<std::int64_t>(bad.size());
    if (stored && found != stored->first) {
      return explained({ErrorCode::kDamaged, fmt::format("the journal is damaged: {} has {} rows of {}", name,
                                                         found, stored->first)});
    }
    if (stored && bad.empty() && table.ledger.digest != static_cast<std::uint64_t>(stored->second)) {
      return explained(
          {ErrorCode::kDamaged, fmt::format("the journal is damaged: {} has other rows than were "
                                            "committed",
                                            name)});
    }
    if (stored && bad.empty()) continue;
    // Without its ledger a table is judged by the checksums of its rows alone.
    log::error("event=journal_damaged table={} rows={} set_aside={} ledger={}", name, found, bad.size(),
               stored ? "good" : "damaged");
    set_aside_ += bad.size() + (stored ? 0 : 1);
    table.changed = true;
    if (auto moved = move_aside(which, bad, now); !moved) return explained(moved.error());
  }
  return {};
}

std::size_t JournalFile::expected_rows(JournalTable which) {
  const auto stored = read_meta(database_, kJournalTableNames[index_of(which)]);
  return stored ? static_cast<std::size_t>(std::clamp<std::int64_t>(stored->first, 0, kMostReserved)) : 0;
}

Status JournalFile::read_table(JournalTable which, const std::function<void(const JournalRowView&)>& take,
                               std::int64_t now, std::vector<std::int64_t>& bad) {
  Table& table = tables_[index_of(which)];
  auto query = database_.prepare(std::string("SELECT id, key, value, at, sum FROM ") +
                                 kJournalTableNames[index_of(which)] + " ORDER BY id");
  if (!query) return query.error();
  if (which != JournalTable::kRequest) table.read.reserve(expected_rows(which));
  std::int64_t before = -1;
  while (true) {
    auto row = query->step();
    if (!row) return row.error();
    if (!*row) return {};
    const std::int64_t id = query->integer(0);
    // A row that stands twice or out of order is a page that was changed.
    if (id <= before) return Error{ErrorCode::kDamaged, "the journal is damaged: its rows are out of order"};
    before = id;
    table.next_id = id + 1;
    const std::int64_t at = query->integer(3);
    const JournalRowView found{which, query->view(1), query->view(2)};
    const auto checksum = journal_checksum(which, id, at, found.key, found.value);
    if (query->integer(4) != static_cast<std::int64_t>(checksum)) {
      bad.push_back(id);
      continue;
    }
    table.ledger.add(checksum);
    if (which == JournalTable::kRequest) {
      if (oldest_request_ == 0) oldest_request_ = at;
      if (at < now - kRequestMemorySeconds) continue;  // forgotten in steps, later
    } else {
      table.read.emplace_back(found.key, RowRef{id, checksum});
    }
    take(found);
  }
}

void JournalFile::index_rows() {
  for (auto& table : tables_) {
    if (table.read.empty()) continue;
    table.rows.reserve(table.rows.size() + table.read.size());
    for (auto& [key, row] : table.read) table.rows.insert_or_assign(std::move(key), row);
    table.read = {};
  }
}

Status JournalFile::move_aside(JournalTable which, const std::vector<std::int64_t>& ids, std::int64_t now) {
  auto transaction = store::Transaction::begin(database_);
  if (!transaction) return transaction.error();
  const std::string name = kJournalTableNames[index_of(which)];
  auto copy =
      database_.prepare("INSERT INTO damaged (origin, id, key, value, at) SELECT ?, id, key, value, ? FROM " +
                        name + " WHERE id = ?");
  if (!copy) return copy.error();
  for (const auto id : ids) {
    if (auto copied = copy->bind(1, std::string_view(name)).bind(2, now).bind(3, id).run(); !copied)
      return copied;
    if (auto erased = tables_[index_of(which)].erase.bind(1, id).run(); !erased) return erased;
  }
  if (auto stored = store_ledgers(); !stored) return stored;
  return transaction->commit();
}

Status JournalFile::write(JournalBatch& batch, std::int64_t now) {
  index_rows();
  // A group's row changes with each of its jobs, and a question's hop is often over before it is written.
  const std::vector<bool>& counts = batch.find_last();
  Undo undo(tables_);
  undo.entries.reserve(batch.size());
  const auto change = [&]() -> Status {
    auto transaction = store::Transaction::begin(database_);
    if (!transaction) return transaction.error();
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (!counts[i]) continue;
      const auto op = batch[i];
      auto ran = op.erase ? erase(op, undo) : put(op, now, undo);
      if (!ran) return ran;
    }
    if (auto stored = store_ledgers(); !stored) return stored;
    return transaction->commit();
  };
  auto changed = change();
  if (!changed) undo.run(tables_);
  for (auto& table : tables_) table.changed = table.changed && !changed;
  return changed;
}

Status JournalFile::put(const JournalBatch::View& op, std::int64_t now, Undo& undo) {
  const JournalTable which = op.table;
  Table& table = tables_[index_of(which)];
  std::int64_t id = table.next_id;
  if (which == JournalTable::kRequest) {
    ++table.next_id;
    if (oldest_request_ == 0) oldest_request_ = now;
  }
  const auto checksum_of = [&] { return journal_checksum(which, id, now, op.key, op.value); };
  std::uint32_t checksum = 0;
  if (which != JournalTable::kRequest) {
    auto [row, is_new] = table.rows.try_emplace(std::string(op.key));
    undo.entries.push_back({which, op.key, !is_new, row->second});
    if (is_new) {
      ++table.next_id;
    } else {
      table.ledger.remove(row->second.checksum);
      id = row->second.id;
    }
    checksum = checksum_of();
    row->second = {id, checksum};
  } else {
    checksum = checksum_of();
  }
  table.ledger.add(checksum);
  table.changed = true;
  return table.put.bind(1, id)
      .bind_view(2, op.key)
      .bind_blob_view(3, op.value)
      .bind(4, now)
      .bind(5, static_cast<std::int64_t>(checksum))
      .run();
}

Status JournalFile::erase(const JournalBatch::View& op, Undo& undo) {
  Table& table = tables_[index_of(op.table)];
  const auto row = table.rows.find(std::string(op.key));
  if (row == table.rows.end()) return {};  // it never reached the disk
  undo.entries.push_back({op.table, op.key, true, row->second});
  table.ledger.remove(row->second.checksum);
  table.changed = true;
  const std::int64_t id = row->second.id;
  table.rows.erase(row);
  return table.erase.bind(1, id).run();
}

Status JournalFile::store_ledgers() {
  for (std::size_t i = 0; i < kJournalTables; ++i) {
    const Table& table = tables_[i];
    if (!table.changed) continue;
    auto wrote = write_meta(ledger_, kJournalTableNames[i], table.ledger.rows,
                            static_cast<std::int64_t>(table.ledger.digest));
    if (!wrote) return wrote;
  }
  return {};
}

Status JournalFile::housekeep(std::int64_t now, bool idle) {
  if (database_.pages_logged() >= kCheckpointPages || (idle && database_.pages_logged() > 0)) {
    if (auto done = database_.checkpoint(); !done) return done;
  }
  const bool has_old = oldest_request_ != 0 && oldest_request_ < now - kRequestMemorySeconds;
  if (has_old && now >= next_forget_) {
    if (auto forgot = forget_requests(now); !forgot) return forgot;
  }
  if (idle && now >= next_compaction_) return give_space_back(now);
  return {};
}

Status JournalFile::forget_requests(std::int64_t now) {
  Table& table = tables_[index_of(JournalTable::kRequest)];
  JournalLedger ledger = table.ledger;
  auto query = database_.prepare("SELECT id, at, sum FROM requests ORDER BY id LIMIT ?");
  if (!query) return query.error();
  query->bind(1, kForgetStep + 1);
  std::int64_t last = 0;
  std::int64_t oldest = 0;
  for (std::int64_t i = 0;; ++i) {
    auto row = query->step();
    if (!row) return row.error();
    if (!*row) break;
    oldest = query->integer(1);
    if (i == kForgetStep || oldest >= now - kRequestMemorySeconds) break;
    last = query->integer(0);
    ledger.remove(static_cast<std::uint32_t>(query->integer(2)));
    oldest = 0;
  }
  query->reset();
  auto transaction = store::Transaction::begin(database_);
  if (!transaction) return transaction.error();
  auto old = database_.prepare("DELETE FROM requests WHERE id <= ?");
  if (!old) return old.error();
  if (auto ran = old->bind(1, last).run(); !ran) return ran;
  auto wrote = write_meta(ledger_, kJournalTableNames[index_of(JournalTable::kRequest)], ledger.rows,
                          static_cast<std::int64_t>(ledger.digest));
  if (!wrote) return wrote;
  if (auto committed = transaction->commit(); !committed) return committed;
  table.ledger = ledger;
  oldest_request_ = oldest;
  // One step for each commit while there is much to forget; else now and then.
  next_forget_ = oldest != 0 && oldest < now - kRequestMemorySeconds ? now : now + 1;
  return {};
}

Status JournalFile::give_space_back(std::int64_t now) {
  const auto free_pages = database_.integer("PRAGMA freelist_count");
  const auto pages = database_.integer("PRAGMA page_count");
  if (!free_pages) return free_pages.error();
  if (!pages) return pages.error();
  next_compaction_ = now + kCompactionPause;
  if (*free_pages < kWorthCompacting || *free_pages * 4 < *pages) return {};
  next_compaction_ = 0;  // on with it as long as nobody wants to write
  return database_.execute(fmt::format("PRAGMA incremental_vacuum({})", kCompactionStep));
}

}  // namespace answermill::broker
