#include "broker/journal/journal.h"

#include <pthread.h>

#include <chrono>
#include <cstdlib>
#include <ctime>

#include "shared/log/log.h"

namespace answermill::broker {
namespace {

constexpr std::chrono::milliseconds kFullDiskPause{250};
constexpr std::chrono::seconds kIdle{1};

std::int64_t wall_clock() { return static_cast<std::int64_t>(std::time(nullptr)); }

// A commit that failed may or may not be on disk, and after a failed fsync nobody can find out: only a new
// process that reads the file again knows what is true.
[[noreturn]] void end_process(const Error& error) {
  log::error("event=journal_failed message=\"{}\" the broker ends, since it cannot tell what is on disk",
             error.message);
  std::abort();
}

}  // namespace

Result<std::unique_ptr<Journal>> Journal::open(const std::string& path) {
  auto file = JournalFile::open(path);
  if (!file) return file.error();
  return std::unique_ptr<Journal>(new Journal(std::move(*file)));
}

Status Journal::recover(const std::function<void(const JournalRowView&)>& take) {
  recovered_ = true;
  return file_->recover(take, wall_clock());
}

Result<std::vector<JournalRow>> Journal::recover() {
  std::vector<JournalRow> rows;
  if (auto read = recover([&rows](const JournalRowView& row) {
        rows.push_back({row.table, std::string(row.key), std::string(row.value)});
      });
      !read) {
    return read.error();
  }
  return rows;
}

void Journal::start(std::function<void(std::uint64_t)> committed) {
  if (!recovered_) {
    if (auto read = recover([](const JournalRowView&) {}); !read) end_process(read.error());
  }
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

void Journal::append(const std::vector<JournalOp>& ops, std::uint64_t ticket) {
  bool was_idle = false;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& op : ops) waiting_.ops.add(op);
    waiting_.ticket = ticket;
    was_idle = !std::exchange(has_work_, true);
  }
  if (was_idle) wake_.notify_one();
}

void Journal::write_loop() {
  ::pthread_setname_np(::pthread_self(), "journal");
  file_->index_rows();
  Batch batch;
  while (true) {
    batch.ops.clear();
    batch.ticket = 0;
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, kIdle, [this] { return has_work_ || stopping_; });
      if (!has_work_ && stopping_) return;
      std::swap(batch, waiting_);
      has_work_ = false;
    }
    if (batch.ticket > 0) write(batch);
    const auto kept = file_->housekeep(wall_clock(), batch.ticket == 0);
    if (!kept && kept.error().code != ErrorCode::kDiskFull) end_process(kept.error());
  }
}

void Journal::write(Batch& batch) {
  while (true) {
    const auto wrote = file_->write(batch.ops, wall_clock());
    if (wrote) break;
    if (wrote.error().code != ErrorCode::kDiskFull) end_process(wrote.error());
    if (healthy_.exchange(false)) log::error("event=disk_full message=\"{}\"", wrote.error().message);
    // This thread has nothing else to do until there is space; what comes meanwhile waits in memory, and the
    // core refuses new work.
    std::unique_lock lock(mutex_);
    if (wake_.wait_for(lock, kFullDiskPause, [this] { return stopping_; })) return;  // never acknowledged
  }
  if (!healthy_.exchange(true)) log::info("event=disk_has_space");
  committed_(batch.ticket);
}

}  // namespace answermill::broker
