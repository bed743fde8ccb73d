// What must outlive the broker: open jobs, groups, stream and request names, and the boot number. One writer
// thread commits in groups: everything that waits goes into one transaction of the JournalFile.
//
// Thread: append() and healthy() from the bus loop; `committed` is called on the journal's thread.
// Errors: a full disk is waited out (healthy() is false meanwhile); any other failure ends the process, since
// a broker that cannot tell what is on disk must not acknowledge anything.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "broker/journal/journal_file.h"
#include "shared/base/result.h"

namespace answermill::broker {

class Journal {
 public:
  // Opens or makes the file and raises the boot number durably. Errors: kDamaged, kDiskFull, kUnsupported (a
  // newer Answermill wrote it), kBusy (another broker has it).
  static Result<std::unique_ptr<Journal>> open(const std::string& path);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  std::uint32_t boot() const { return file_->boot(); }
  // Everything that is open, once, before start(); requests, groups and streams before the jobs that refer to
  // them.
  Status recover(const std::function<void(const JournalRowView&)>& take);
  Result<std::vector<JournalRow>> recover();
  // About how many rows recover() will give, so that there is room for them.
  std::size_t expected_rows(JournalTable table) { return file_->expected_rows(table); }
  // Rows that recover() found damaged and set aside.
  std::uint64_t set_aside() const { return file_->set_aside(); }
  // Starts the writer. `committed` gets the highest ticket that is durable.
  void start(std::function<void(std::uint64_t)> committed);
  // Tickets must grow. Requests older than 24 h are forgotten by the writer.
  void append(const std::vector<JournalOp>& ops, std::uint64_t ticket);
  bool healthy() const { return healthy_; }

 private:
  explicit Journal(std::unique_ptr<JournalFile> file) : file_(std::move(file)) {}
  struct Batch {
    JournalBatch ops;
    std::uint64_t ticket = 0;  // 0: nothing to write
  };
  void write_loop();
  void write(Batch& batch);

  std::unique_ptr<JournalFile> file_;  // the writer's, once started
  bool recovered_ = false;
  std::function<void(std::uint64_t)> committed_;
  std::atomic<bool> healthy_ = true;
  std::thread writer_;
  std::mutex mutex_;
  std::condition_variable wake_;
  Batch waiting_;          // guarded by mutex_
  bool has_work_ = false;  // guarded by mutex_
  bool stopping_ = false;  // guarded by mutex_
};

}  // namespace answermill::broker
