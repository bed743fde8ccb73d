// What must outlive the broker: open jobs, groups, stream and request names, and the boot number. SQLite in
// WAL mode with synchronous=FULL, one writer thread, group commit: everything that waits goes into one
// transaction.
//
// Thread: append() from the bus loop; `committed` is called on the journal's thread.
// Errors: a full disk is waited out (healthy() is false meanwhile); any other failure ends the process, since
// a broker that cannot tell what is on disk must not acknowledge anything.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <atomic>

#include "shared/base/result.h"
#include "shared/store/sqlite.h"

namespace answermill::broker {

enum class JournalTable { kJob, kGroup, kStream, kRequest };

struct JournalOp {
  JournalTable table = JournalTable::kJob;
  bool erase = false;
  std::string key;
  std::string value;  // encoded record
};

struct JournalRow {
  JournalTable table;
  std::string key;
  std::string value;
};

class Journal {
 public:
  // Opens or makes the file and raises the boot number durably.
  static Result<std::unique_ptr<Journal>> open(const std::string& path);
  ~Journal();

  std::uint32_t boot() const { return boot_; }
  // Everything that is open, once, before start().
  Result<std::vector<JournalRow>> recover();
  // Starts the writer. `committed` gets the highest ticket that is durable.
  void start(std::function<void(std::uint64_t)> committed);
  // Tickets must grow. Requests older than 24 h are forgotten by the writer.
  void append(std::vector<JournalOp> ops, std::uint64_t ticket);
  bool healthy() const { return healthy_; }

 private:
  Journal() = default;
  Status migrate();
  void write_loop();
  Status write(const std::vector<JournalOp>& ops);
  Status prune();

  struct Batch {
    std::vector<JournalOp> ops;
    std::uint64_t ticket = 0;
  };

  store::Database database_;
  store::Statement put_[4];
  store::Statement erase_[4];
  std::uint32_t boot_ = 0;
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
