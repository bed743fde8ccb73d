// A folder with a journal in it, and ways to write, read and hurt it.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>

#include "broker/journal/journal.h"
#include "shared/base/ids.h"

namespace answermill::broker {

namespace fs = std::filesystem;

// A started journal whose commits can be waited for.
class RunningJournal {
 public:
  explicit RunningJournal(const std::string& path) {
    auto opened = Journal::open(path);
    EXPECT_TRUE(opened) << (opened ? "" : opened.error().message);
    if (!opened) return;
    journal_ = std::move(*opened);
    journal_->start([this](std::uint64_t ticket) {
      const std::lock_guard lock(mutex_);
      durable_ = ticket;
      changed_.notify_all();
    });
  }
  void append(std::vector<JournalOp> ops) { journal_->append(std::move(ops), ++ticket_); }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return durable_ == ticket_; });
  }
  void write(std::vector<JournalOp> ops) {
    append(std::move(ops));
    wait();
  }
  Journal& journal() { return *journal_; }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t durable_ = 0;  // guarded by mutex_
  std::uint64_t ticket_ = 0;
  std::unique_ptr<Journal> journal_;  // last: its writer ends first
};

class JournalFixture : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }
  std::string path() const { return folder_ / "journal.sqlite"; }

  // The rows of one start, by table and key; the error's code otherwise.
  static Result<std::map<std::string, std::string>> rows_of(const std::string& path) {
    auto journal = Journal::open(path);
    if (!journal) return journal.error();
    const auto rows = (*journal)->recover();
    if (!rows) return rows.error();
    std::map<std::string, std::string> found;
    for (const auto& row : *rows) {
      found[kJournalTableNames[static_cast<std::size_t>(row.table)] + std::string("/") + row.key] = row.value;
    }
    return found;
  }

  static void flip(const std::string& file, std::uint64_t at, unsigned char bits) {
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekg(static_cast<std::streamoff>(at));
    const char byte = static_cast<char>(static_cast<unsigned char>(stream.get()) ^ bits);
    stream.seekp(static_cast<std::streamoff>(at));
    stream.put(byte);
  }

  fs::path folder_ = fs::temp_directory_path() / ("answermill-" + random_id());
};

inline JournalOp put_job(const std::string& key, const std::string& value) {
  return {JournalTable::kJob, false, key, value};
}
inline JournalOp erase_job(const std::string& key) { return {JournalTable::kJob, true, key, {}}; }

}  // namespace answermill::broker
