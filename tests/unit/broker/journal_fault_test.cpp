// What a bad disk does to the journal: no room, a sync that fails, bytes that flip, a process that is killed.
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <random>
#include <set>

#include "journal_fixture.h"

namespace answermill::broker {
namespace {

// A disk between SQLite and the real one: SQLite's own files behind a shim of the methods that can fail.
// Source: https://www.sqlite.org/vfs.html
std::atomic<bool> disk_is_full = false;
std::atomic<bool> sync_fails = false;

// Databases and logs have different methods, but write and sync alike.
sqlite3_io_methods faulty_database;
sqlite3_io_methods faulty_log;
const sqlite3_io_methods* real_methods = nullptr;

int faulty_write(sqlite3_file* file, const void* bytes, int size, sqlite3_int64 offset) {
  if (disk_is_full) return SQLITE_FULL;
  return real_methods->xWrite(file, bytes, size, offset);
}

int faulty_sync(sqlite3_file* file, int flags) {
  if (sync_fails) return SQLITE_IOERR_FSYNC;
  return real_methods->xSync(file, flags);
}

int faulty_open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out) {
  auto* real = static_cast<sqlite3_vfs*>(vfs->pAppData);
  const int code = real->xOpen(real, name, file, flags, out);
  if (code != SQLITE_OK || file->pMethods == nullptr) return code;
  real_methods = file->pMethods;
  auto& faulty = real_methods->xShmMap != nullptr ? faulty_database : faulty_log;
  faulty = *real_methods;
  faulty.xWrite = faulty_write;
  faulty.xSync = faulty_sync;
  file->pMethods = &faulty;
  return code;
}

class JournalFaultTest : public JournalFixture {
 protected:
  void SetUp() override {
    JournalFixture::SetUp();
    disk_is_full = sync_fails = false;
    real_ = sqlite3_vfs_find(nullptr);
    faulty_ = *real_;
    faulty_.zName = "faulty";
    faulty_.pAppData = real_;
    faulty_.xOpen = faulty_open;
    sqlite3_vfs_register(&faulty_, 1);
  }
  void TearDown() override {
    sqlite3_vfs_unregister(&faulty_);
    sqlite3_vfs_register(real_, 1);
    JournalFixture::TearDown();
  }
  sqlite3_vfs* real_ = nullptr;
  sqlite3_vfs faulty_{};
};

TEST_F(JournalFaultTest, WaitsForSpaceAndGoesOn) {
  {
    RunningJournal running(path());
    running.write({put_job("a", "1"), put_job("gone", "1")});
    disk_is_full = true;
    running.append({put_job("a", "2"), put_job("b", "1"), erase_job("gone")});
    while (running.journal().healthy()) std::this_thread::yield();
    running.append({put_job("c", "1")});
    disk_is_full = false;
    running.wait();
    EXPECT_TRUE(running.journal().healthy());
    running.write({put_job("b", "2")});
  }
  const auto rows = rows_of(path());
  ASSERT_TRUE(rows) << rows.error().message;
  const std::map<std::string, std::string> expected = {{"jobs/a", "2"}, {"jobs/b", "2"}, {"jobs/c", "1"}};
  EXPECT_EQ(*rows, expected);
}

TEST_F(JournalFaultTest, RefusesToStartOnAFullDisk) {
  disk_is_full = true;
  const auto journal = Journal::open(path());
  ASSERT_FALSE(journal);
  EXPECT_EQ(journal.error().code, ErrorCode::kDiskFull);
}

TEST_F(JournalFaultTest, EndsTheProcessWhenASyncFailed) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        RunningJournal running(path());
        running.write({put_job("a", "1")});
        sync_fails = true;
        running.write({put_job("b", "1")});  // acknowledged, it would return
        std::_Exit(0);
      },
      "cannot tell what is on disk");
}

// A journal with a file and a log, as a killed broker leaves it.
class JournalDamageTest : public JournalFixture {
 protected:
  void SetUp() override {
    JournalFixture::SetUp();
    {
      RunningJournal before(path());  // closed, it leaves everything in the file and no log
      for (int i = 0; i < 60; ++i) commit(before, {put_job("j" + std::to_string(i), value(i))});
    }
    RunningJournal running(path());
    for (int i = 60; i < 120; ++i) commit(running, {put_job("j" + std::to_string(i), value(i))});
    commit(running,
           {{JournalTable::kGroup, false, "g", "group"}, {JournalTable::kRequest, false, "r", "request"}});
    for (int i = 0; i < 120; i += 3) commit(running, {erase_job("j" + std::to_string(i))});
    fs::create_directories(folder_ / "killed");
    fs::copy_file(path(), folder_ / "killed/journal.sqlite");
    fs::copy_file(path() + "-wal", folder_ / "killed/journal.sqlite-wal");
  }
  void commit(RunningJournal& running, const std::vector<JournalOp>& ops) {
    running.write(ops);
    for (const auto& op : ops) {
      const auto key = kJournalTableNames[static_cast<std::size_t>(op.table)] + std::string("/") + op.key;
      history_.insert(key + "=" + op.value);
    }
  }
  static std::string value(int i) {
    return std::string(static_cast<std::size_t>(i) * 37 % 5000, static_cast<char>('a' + i % 26)) +
           std::to_string(i);
  }
  // A copy of what was killed, in its own folder.
  std::string copy(int number) const {
    const fs::path to = folder_ / std::to_string(number);
    fs::remove_all(to);
    fs::copy(folder_ / "killed", to);
    return to / "journal.sqlite";
  }
  std::set<std::string> history_;  // every row that ever was
};

TEST_F(JournalDamageTest, NeverUsesARowThatWasNotCommitted) {
  const auto whole = rows_of(copy(0));
  ASSERT_TRUE(whole) << whole.error().message;
  ASSERT_EQ(whole->size(), 82U);
  const auto seed = std::random_device{}();
  std::mt19937 random(seed);
  int reported = 0;
  int harmless = 0;
  for (int i = 1; i <= 200; ++i) {
    const std::string file = copy(1);
    const std::string hurt = i % 2 == 0 ? file : file + "-wal";
    const auto at = random() % fs::file_size(hurt);
    const auto bits = static_cast<unsigned char>(1U << random() % 8);
    flip(hurt, at, bits);
    const auto rows = rows_of(file);
    if (!rows) {
      ++reported;
      continue;
    }
    harmless += *rows == *whole ? 1 : 0;
    for (const auto& [key, value] : *rows) {
      EXPECT_EQ(history_.count(key + "=" + value), 1U)
          << "seed " << seed << " flip " << i << " of " << hurt << " at " << at << ": " << key;
    }
    // Rows may be missing without a word only where a torn last transaction looks the same.
    if (rows->size() + 1 < whole->size()) {
      ADD_FAILURE() << "seed " << seed << " flip of " << hurt << " at " << at << ": " << rows->size()
                    << " rows";
    }
  }
  EXPECT_GT(reported, 50);
  EXPECT_GT(reported + harmless, 100);
}

TEST_F(JournalDamageTest, TakesALogWhoseLastTransactionIsCutOff) {
  const auto whole = rows_of(copy(0));
  const std::string file = copy(1);
  fs::resize_file(file + "-wal", fs::file_size(file + "-wal") - 100);
  const auto rows = rows_of(file);
  ASSERT_TRUE(rows) << rows.error().message;
  EXPECT_EQ(rows->size(), whole->size() + 1);  // the last transaction erased a job
}

TEST_F(JournalDamageTest, ReportsALogThatHidesTransactions) {
  const std::string file = copy(1);
  flip(file + "-wal", fs::file_size(file + "-wal") / 2, 1);
  const auto rows = rows_of(file);
  ASSERT_FALSE(rows);
  EXPECT_EQ(rows.error().code, ErrorCode::kDamaged);
  EXPECT_NE(rows.error().message.find("transactions stand behind it"), std::string::npos);
}

// The child commits numbered jobs, erases every second one, and says which tickets are durable until it is
// killed at a random moment: nothing it said may be lost, and nothing it did not finish half done.
TEST_F(JournalFixture, LosesNothingWhenKilled) {
  const auto seed = std::random_device{}();
  std::mt19937 random(seed);
  std::uint32_t first = 0;
  for (int round = 0; round < 8; ++round) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      auto journal = Journal::open(path());
      if (!journal) ::_exit(1);
      (*journal)->start([&](std::uint64_t ticket) {
        const auto said = static_cast<std::uint32_t>(ticket);
        if (::write(ends[1], &said, sizeof said) != sizeof said) ::_exit(2);
      });
      for (std::uint32_t ticket = first + 1;; ++ticket) {
        std::vector<JournalOp> ops = {put_job("j" + std::to_string(ticket), std::to_string(ticket)),
                                      {JournalTable::kGroup, false, "g", std::to_string(ticket)}};
        if (ticket % 2 == 0) ops.push_back(erase_job("j" + std::to_string(ticket - 1)));
        (*journal)->append(std::move(ops), ticket);
        if (ticket % 64 == 0) ::usleep(200);
      }
    }
    ::close(ends[1]);
    std::uint32_t acknowledged = first;
    const std::uint32_t enough = first + 200 + random() % 5000;
    while (acknowledged<enough&& ::read(ends[0], &acknowledged, sizeof acknowledged)> 0) {
    }
    ::kill(child, SIGKILL);
    while (::read(ends[0], &acknowledged, sizeof acknowledged) > 0) {
    }
    ::close(ends[0]);
    ::waitpid(child, nullptr, 0);
    const auto rows = rows_of(path());
    ASSERT_TRUE(rows) << "seed " << seed << ": " << rows.error().message;
    const auto last = static_cast<std::uint32_t>(std::stoul(rows->at("groups/g")));
    EXPECT_GE(last, acknowledged) << "seed " << seed;
    std::map<std::string, std::string> expected = {{"groups/g", std::to_string(last)}};
    for (std::uint32_t ticket = 1; ticket <= last; ++ticket) {
      if (ticket % 2 == 0 || ticket == last)
        expected["jobs/j" + std::to_string(ticket)] = std::to_string(ticket);
    }
    ASSERT_EQ(*rows, expected) << "seed " << seed << " round " << round;
    first = last;
  }
}

}  // namespace
}  // namespace answermill::broker
