// The journal's SQLite file: WAL mode, synchronous=FULL, every row with a checksum, every table with a count
// and a digest of its rows, so that neither a changed nor a missing row goes unnoticed.
//
// Thread: one at a time (open and recover on the starting thread, then the journal's writer).
// Errors: kDamaged with what to do, kDiskFull (nothing was changed: the same again later is right), kBusy
// (another broker), kUnsupported (a newer Answermill wrote it), kInternal for everything after which the
// content of the disk is unknown.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "broker/journal/journal_batch.h"
#include "shared/base/result.h"
#include "shared/base/unix_fd.h"
#include "shared/store/sqlite.h"

namespace answermill::broker {

struct JournalRow {
  JournalTable table = JournalTable::kJob;
  std::string key;
  std::string value;
};

// The same where the file's reader has it: until the callback returns.
struct JournalRowView {
  JournalTable table = JournalTable::kJob;
  std::string_view key;
  std::string_view value;
};

// Requests are remembered so long.
inline constexpr std::int64_t kRequestMemorySeconds = 24 * 3600;

// The checksum that stands beside a row.
std::uint32_t journal_checksum(JournalTable table, std::int64_t id, std::int64_t at, std::string_view key,
                               std::string_view value);

// How many rows a table should have, and the sum of their checksums (modulo 2^64).
struct JournalLedger {
  std::int64_t rows = 0;
  std::uint64_t digest = 0;

  void add(std::uint32_t checksum) { ++rows, digest += checksum; }
  void remove(std::uint32_t checksum) { --rows, digest -= checksum; }
  friend bool operator==(const JournalLedger&, const JournalLedger&) = default;
};

class JournalFile {
 public:
  static Result<std::unique_ptr<JournalFile>> open(const std::string& path);

  std::uint32_t boot() const { return boot_; }
  std::uint64_t set_aside() const { return set_aside_; }

  // Reads and checks every row; damaged ones move into the table `damaged`. Once, before write(). `now` in
  // seconds since 1970.
  std::size_t expected_rows(JournalTable which);
  Status recover(const std::function<void(const JournalRowView&)>& take, std::int64_t now);

  // Makes the rows that recover() read known to write(), which else does it first. A start with a million of
  // them need not wait for this.
  void index_rows();

  // One transaction; nothing of it is there after an error. Of several ops for one key the last one counts.
  Status write(JournalBatch& batch, std::int64_t now);

  // A small step of what must be done now and then: checkpoint, forget old requests, give space back.
  Status housekeep(std::int64_t now, bool idle);

 private:
  struct RowRef {
    std::int64_t id = 0;
    std::uint32_t checksum = 0;
  };
  struct Table {
    store::Statement put;
    store::Statement erase;
    std::unordered_map<std::string, RowRef> rows;      // by key; not kept for requests
    std::vector<std::pair<std::string, RowRef>> read;  // by recover(), not among them yet
    std::int64_t next_id = 1;
    JournalLedger ledger;
    bool changed = false;  // since the ledger was stored
  };
  struct Undo;

  JournalFile() = default;
  Status lock(const std::string& path);
  Status prepare();
  Status raise_boot();
  Status read_table(JournalTable which, const std::function<void(const JournalRowView&)>& take,
                    std::int64_t now, std::vector<std::int64_t>& bad);
  Status move_aside(JournalTable which, const std::vector<std::int64_t>& ids, std::int64_t now);
  Status put(const JournalBatch::View& op, std::int64_t now, Undo& undo);
  Status erase(const JournalBatch::View& op, Undo& undo);
  Status store_ledgers();
  Status forget_requests(std::int64_t now);
  Status give_space_back(std::int64_t now);

  UniqueFd lock_;
  store::Database database_;
  std::array<Table, kJournalTables> tables_;
  store::Statement ledger_;
  std::uint32_t boot_ = 0;
  std::uint64_t set_aside_ = 0;
  std::int64_t oldest_request_ = 0;  // when it came; 0: none or unknown
  std::int64_t next_forget_ = 0;     // seconds since 1970
  std::int64_t next_compaction_ = 0;
};

}  // namespace answermill::broker
