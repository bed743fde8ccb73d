#include "broker/journal/journal.h"

#include <sqlite3.h>

#include <algorithm>
#include <ctime>
#include <random>

#include "journal_fixture.h"

namespace answermill::broker {
namespace {

using JournalTest = JournalFixture;

void run_sql(const std::string& path, const std::string& sql) {
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &database), SQLITE_OK);
  char* error = nullptr;
  EXPECT_EQ(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, &error), SQLITE_OK) << error;
  sqlite3_close(database);
}

TEST_F(JournalTest, KeepsWhatItAcknowledged) {
  {
    RunningJournal running(path());
    EXPECT_EQ(running.journal().boot(), 1U);
    running.append({put_job("a", "1"), put_job("b", "2")});
    running.write({erase_job("a"), {JournalTable::kGroup, false, "g", "3"}});
  }
  auto journal = Journal::open(path());
  ASSERT_TRUE(journal);
  EXPECT_EQ((*journal)->boot(), 2U);
  const auto rows = (*journal)->recover();
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->size(), 2U);
  EXPECT_EQ(rows->at(0).key, "g");
  EXPECT_EQ(rows->at(1).key, "b");
}

TEST_F(JournalTest, KeepsTheLastOfSeveralChanges) {
  {
    RunningJournal running(path());
    running.write({put_job("a", "1"), put_job("a", "2"), put_job("b", "1"), erase_job("b")});
    running.write({put_job("a", "3"), put_job("c", "1"), erase_job("nobody")});
    running.write({erase_job("c"), put_job("c", "2"), put_job("d", std::string(100'000, 'x'))});
  }
  const auto rows = rows_of(path());
  ASSERT_TRUE(rows) << rows.error().message;
  const std::map<std::string, std::string> expected = {
      {"jobs/a", "3"}, {"jobs/c", "2"}, {"jobs/d", std::string(100'000, 'x')}};
  EXPECT_EQ(*rows, expected);
}

TEST_F(JournalTest, RecoversJobsInTheOrderTheyCame) {
  {
    RunningJournal running(path());
    for (const char* key : {"z", "m", "a"}) running.write({put_job(key, key)});
    running.write({put_job("z", "again")});
  }
  auto journal = Journal::open(path());
  ASSERT_TRUE(journal);
  std::string order;
  ASSERT_TRUE((*journal)->recover([&](const JournalRowView& row) { order += row.key; }));
  EXPECT_EQ(order, "zma");
}

TEST_F(JournalTest, BringsAFileOfVersion1Along) {
  run_sql(path(),
          "PRAGMA journal_mode=WAL;"
          "CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID;"
          "INSERT INTO meta VALUES ('boot', 41);"
          "CREATE TABLE jobs (key TEXT PRIMARY KEY, value BLOB, at INTEGER) WITHOUT ROWID;"
          "CREATE TABLE groups (key TEXT PRIMARY KEY, value BLOB, at INTEGER) WITHOUT ROWID;"
          "CREATE TABLE streams (key TEXT PRIMARY KEY, value BLOB, at INTEGER) WITHOUT ROWID;"
          "CREATE TABLE requests (key TEXT PRIMARY KEY, value BLOB, at INTEGER) WITHOUT ROWID;"
          "INSERT INTO jobs VALUES ('j2', x'0203', 7), ('j1', x'01', 7), ('j0', x'00', 9);"
          "INSERT INTO groups VALUES ('g', x'67', 7);"
          "INSERT INTO streams VALUES ('s', x'73', 7);"
          "INSERT INTO requests VALUES ('t' || char(10) || 'r', x'72', strftime('%s','now'));"
          "PRAGMA user_version=1;");
  auto journal = Journal::open(path());
  ASSERT_TRUE(journal) << journal.error().message;
  EXPECT_EQ((*journal)->boot(), 42U);
  std::vector<std::string> keys;
  ASSERT_TRUE((*journal)->recover([&](const JournalRowView& row) {
    keys.push_back(std::string(row.key) + "=" + std::string(row.value));
  }));
  const std::vector<std::string> expected = {"t\nr=r",  "g=g",         "s=s",
                                             "j1=\x01", "j2=\x02\x03", std::string("j0=\0", 4)};
  EXPECT_EQ(keys, expected);
  journal->reset();
  EXPECT_EQ(rows_of(path())->size(), 6U);
}

TEST_F(JournalTest, RefusesANewerVersion) {
  { RunningJournal running(path()); }
  run_sql(path(), "PRAGMA user_version=3");
  const auto journal = Journal::open(path());
  ASSERT_FALSE(journal);
  EXPECT_EQ(journal.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(journal.error().message.find("version 3"), std::string::npos);
}

TEST_F(JournalTest, HasOneBrokerAtATime) {
  RunningJournal running(path());
  const auto second = Journal::open(path());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kBusy);
}

TEST_F(JournalTest, NamesADamagedFile) {
  std::ofstream(path()) << "this is not a database, and long enough to be looked at as one ................";
  const auto journal = Journal::open(path());
  ASSERT_FALSE(journal);
  EXPECT_EQ(journal.error().code, ErrorCode::kDamaged);
  EXPECT_NE(journal.error().message.find("answermill journal check"), std::string::npos);
}

TEST_F(JournalTest, SetsAChangedRowAside) {
  {
    RunningJournal running(path());
    running.write({put_job("a", "1"), put_job("b", "2"), put_job("c", "3")});
  }
  run_sql(path(), "UPDATE jobs SET value = 'x' WHERE key = 'b'");
  auto journal = Journal::open(path());
  ASSERT_TRUE(journal);
  const auto rows = (*journal)->recover();
  ASSERT_TRUE(rows) << rows.error().message;
  EXPECT_EQ(rows->size(), 2U);
  EXPECT_EQ((*journal)->set_aside(), 1U);
  journal->reset();
  journal = Journal::open(path());
  ASSERT_TRUE((*journal)->recover());
  EXPECT_EQ((*journal)->set_aside(), 0U) << "a row is set aside once";
}

TEST_F(JournalTest, NoticesAMissingRow) {
  {
    RunningJournal running(path());
    running.write({put_job("a", "1"), put_job("b", "2")});
  }
  run_sql(path(), "DELETE FROM jobs WHERE key = 'a'");
  const auto rows = rows_of(path());
  ASSERT_FALSE(rows);
  EXPECT_EQ(rows.error().code, ErrorCode::kDamaged);
}

TEST_F(JournalTest, ForgetsRequestsAfterADayInSmallSteps) {
  const auto now = static_cast<std::int64_t>(std::time(nullptr));
  auto file = JournalFile::open(path());
  ASSERT_TRUE(file);
  ASSERT_TRUE((*file)->recover([](const JournalRowView&) {}, now));
  for (int i = 0; i < 3; ++i) {
    JournalBatch batch;
    for (int j = 0; j < 700; ++j) {
      batch.add({JournalTable::kRequest, false, std::to_string(i * 700 + j), "r"});
    }
    ASSERT_TRUE((*file)->write(batch, now + i));
  }
  const auto remembered = [&] {
    file->reset();
    file = JournalFile::open(path());
    int count = 0;
    EXPECT_TRUE((*file)->recover([&](const JournalRowView&) { ++count; }, now));
    return count;
  };
  EXPECT_EQ(remembered(), 2100);
  const auto later = now + kRequestMemorySeconds + 2;  // the first 1,400 are old enough
  ASSERT_TRUE((*file)->housekeep(later, false));
  EXPECT_EQ(remembered(), 1600);
  for (int step = 0; step < 10; ++step) ASSERT_TRUE((*file)->housekeep(later, true));
  EXPECT_EQ(remembered(), 700);
}

TEST(JournalBatch, KnowsWhichOpIsTheLastOfItsKey) {
  for (const unsigned seed : {1U, 2U, 3U}) {
    std::minstd_rand random(seed);
    JournalBatch batch;
    for (int round = 0; round < 3; ++round) {  // its memory is used again
      batch.clear();
      std::vector<JournalOp> ops;
      for (std::size_t i = 0; i < 500; ++i) {
        const auto table = static_cast<JournalTable>(random() % kJournalTables);
        ops.push_back({table, random() % 2 == 0, std::to_string(random() % 60), std::to_string(i)});
        batch.add(ops.back());
      }
      const auto& last = batch.find_last();
      for (std::size_t i = 0; i < ops.size(); ++i) {
        const bool later = std::any_of(
            ops.begin() + static_cast<std::ptrdiff_t>(i) + 1, ops.end(),
            [&](const JournalOp& op) { return op.table == ops[i].table && op.key == ops[i].key; });
        ASSERT_EQ(last[i], !later) << "op " << i << " of seed " << seed;
        ASSERT_EQ(batch[i].key, ops[i].key);
        ASSERT_EQ(batch[i].value, ops[i].value);
        ASSERT_EQ(batch[i].erase, ops[i].erase);
      }
    }
  }
}

TEST_F(JournalTest, GivesSpaceBack) {
  const auto now = static_cast<std::int64_t>(std::time(nullptr));
  auto file = JournalFile::open(path());
  ASSERT_TRUE(file);
  ASSERT_TRUE((*file)->recover([](const JournalRowView&) {}, now));
  JournalBatch puts;
  JournalBatch erases;
  for (int i = 0; i < 20; ++i) {
    puts.add(put_job(std::to_string(i), std::string(1'000'000, 'x')));
    erases.add(erase_job(std::to_string(i)));
  }
  ASSERT_TRUE((*file)->write(puts, now));
  ASSERT_TRUE((*file)->housekeep(now, true));
  EXPECT_GT(fs::file_size(path()), 20'000'000U);
  ASSERT_TRUE((*file)->write(erases, now));
  for (int step = 0; step < 20; ++step) ASSERT_TRUE((*file)->housekeep(now + 100, true));
  EXPECT_LT(fs::file_size(path()), 8'000'000U);
}

}  // namespace
}  // namespace answermill::broker
