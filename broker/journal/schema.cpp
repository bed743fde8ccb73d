#include "broker/journal/schema.h"

#include <fmt/format.h>

#include <array>

#include "broker/journal/journal_file.h"
#include "shared/base/crc32c.h"
#include "shared/log/log.h"

namespace answermill::broker {
namespace {

std::int64_t meta_checksum(std::string_view name, std::int64_t first, std::int64_t second) {
  const std::array<std::int64_t, 2> values = {first, second};
  return crc32c({reinterpret_cast<const char*>(values.data()), sizeof values}, crc32c(name));
}

Status make_tables(store::Database& database) {
  std::string sql =
      "CREATE TABLE meta (name TEXT PRIMARY KEY, first INTEGER, second INTEGER, sum INTEGER) WITHOUT ROWID;"
      "CREATE TABLE damaged (origin TEXT, id INTEGER, key TEXT, value BLOB, at INTEGER);";
  for (const char* name : kJournalTableNames) {
    sql += fmt::format(
        "CREATE TABLE {} (id INTEGER PRIMARY KEY, key TEXT, value BLOB, at INTEGER, sum INTEGER);", name);
  }
  return database.execute(sql);
}

Status write_all_meta(store::Database& database, std::int64_t boot,
                      const std::array<JournalLedger, kJournalTables>& ledgers) {
  auto statement = database.prepare("INSERT OR REPLACE INTO meta VALUES (?, ?, ?, ?)");
  if (!statement) return statement.error();
  if (auto wrote = write_meta(*statement, "boot", boot, 0); !wrote) return wrote;
  for (std::size_t i = 0; i < kJournalTables; ++i) {
    auto wrote = write_meta(*statement, kJournalTableNames[i], ledgers[i].rows,
                            static_cast<std::int64_t>(ledgers[i].digest));
    if (!wrote) return wrote;
  }
  return {};
}

Result<JournalLedger> copy_old_table(store::Database& database, JournalTable which) {
  const std::string name = kJournalTableNames[static_cast<std::size_t>(which)];
  auto read = database.prepare("SELECT key, value, at FROM old_" + name + " ORDER BY at, key");
  if (!read) return read.error();
  auto write = database.prepare("INSERT INTO " + name + " VALUES (?, ?, ?, ?, ?)");
  if (!write) return write.error();
  JournalLedger ledger;
  for (std::int64_t id = 1;; ++id) {
    auto row = read->step();
    if (!row) return row.error();
    if (!*row) return ledger;
    const std::int64_t at = read->integer(2);
    const auto checksum = journal_checksum(which, id, at, read->view(0), read->view(1));
    ledger.add(checksum);
    auto ran = write->bind(1, id)
                   .bind(2, read->view(0))
                   .bind_blob(3, read->view(1))
                   .bind(4, at)
                   .bind(5, static_cast<std::int64_t>(checksum))
                   .run();
    if (!ran) return ran.error();
  }
}

Status from_version_1(store::Database& database) {
  std::string rename = "ALTER TABLE meta RENAME TO old_meta;";
  std::string drop = "DROP TABLE old_meta;";
  for (const char* name : kJournalTableNames) {
    rename += fmt::format("ALTER TABLE {0} RENAME TO old_{0};", name);
    drop += fmt::format("DROP TABLE old_{};", name);
  }
  if (auto renamed = database.execute(rename); !renamed) return renamed;
  if (auto made = make_tables(database); !made) return made;
  const auto boot = database.integer("SELECT value FROM old_meta WHERE name = 'boot'");
  if (!boot) return boot.error();
  std::array<JournalLedger, kJournalTables> ledgers;
  for (std::size_t i = 0; i < kJournalTables; ++i) {
    const auto copied = copy_old_table(database, static_cast<JournalTable>(i));
    if (!copied) return copied.error();
    ledgers[i] = *copied;
  }
  if (auto wrote = write_all_meta(database, *boot, ledgers); !wrote) return wrote;
  log::info("event=journal_migrated from=1 to={}", kJournalVersion);
  return database.execute(drop);
}

// Pages that become free can be given back to the file system only in this mode; setting it rewrites a file
// that was made without.
Status allow_shrinking(store::Database& database) {
  const auto mode = database.integer("PRAGMA auto_vacuum");
  if (!mode) return mode.error();
  constexpr std::int64_t kIncremental = 2;
  if (*mode == kIncremental) return {};
  auto set = database.execute("PRAGMA auto_vacuum=INCREMENTAL; VACUUM");
  if (set || set.error().code != ErrorCode::kDiskFull) return set;
  log::warn("event=journal_not_shrinkable message=\"{}\"", set.error().message);
  return {};
}

}  // namespace

Result<std::pair<std::int64_t, std::int64_t>> read_meta(store::Database& database, std::string_view name) {
  auto query = database.prepare("SELECT first, second, sum FROM meta WHERE name = ?");
  if (!query) return query.error();
  auto row = query->bind(1, name).step();
  if (!row) return row.error();
  if (!*row) return Error{ErrorCode::kDamaged, fmt::format("the journal is damaged: it has no '{}'", name)};
  const std::pair<std::int64_t, std::int64_t> values{query->integer(0), query->integer(1)};
  if (query->integer(2) == meta_checksum(name, values.first, values.second)) return values;
  return Error{ErrorCode::kDamaged, fmt::format("the journal is damaged: '{}' was changed", name)};
}

Status write_meta(store::Statement& statement, std::string_view name, std::int64_t first,
                  std::int64_t second) {
  return statement.bind(1, name)
      .bind(2, first)
      .bind(3, second)
      .bind(4, meta_checksum(name, first, second))
      .run();
}

Status prepare_schema(store::Database& database) {
  const auto version = database.user_version();
  if (!version) return version.error();
  if (*version == kJournalVersion) return {};
  if (*version > kJournalVersion) {
    return Error{
        ErrorCode::kUnsupported,
        fmt::format("the journal has version {}, this broker reads up to {}: a newer Answermill wrote "
                    "it; upgrade this one",
                    *version, kJournalVersion)};
  }
  auto transaction = store::Transaction::begin(database);
  if (!transaction) return transaction.error();
  auto made = *version == 0 ? make_tables(database) : from_version_1(database);
  if (made && *version == 0) made = write_all_meta(database, 0, {});
  if (made) made = database.set_user_version(kJournalVersion);
  if (made) made = transaction->commit();
  return made ? allow_shrinking(database) : made;
}

}  // namespace answermill::broker
