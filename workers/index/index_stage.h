// The stage that owns collections: ops upsert, delete, drop, search and page.
//
// Thread: as runtime::Stage. Writer threads take one collection at a time and commit all upserts that wait
// for it together; reader threads serve searches and pages beside them, so a question does not wait behind
// ingest.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "workers/index/collection.h"
#include "workers/runtime/stage.h"

namespace answermill::index {

struct IndexConfig {
  std::filesystem::path root;  // holds one folder for each collection
  std::uint32_t slots = 32;
  std::uint32_t writers = 1;
  std::uint32_t readers = 2;
  std::size_t group_bytes = 4U << 20U;        // upserts committed together: payload bytes
  std::uint64_t save_after = 20'000;          // changes after which the vectors are written to disk
  std::chrono::milliseconds save_idle{5000};  // or after this long without a write
};

class IndexStage final : public runtime::Stage {
 public:
  explicit IndexStage(IndexConfig config);
  // Finishes what it holds, then writes the snapshots.
  ~IndexStage() override;

  std::string name() const override { return "index"; }
  std::uint32_t slots() const override { return config_.slots; }
  std::string detail() const override;
  void start(runtime::Job job, std::shared_ptr<runtime::JobHandle> handle) override;

 private:
  struct Task {
    runtime::Job job;
    std::shared_ptr<runtime::JobHandle> handle;
  };
  // The writes that wait under one routing key, in order.
  struct Queue {
    std::deque<Task> tasks;
    bool taken = false;  // by a writer thread
  };

  void write_loop();
  void read_loop();
  std::vector<Task> next_group(Queue& queue) const;
  void run_group(std::vector<Task>& tasks);
  void run_upserts(std::vector<Task>& tasks);
  messages::Outcome run_delete(const runtime::Job& job);
  messages::Outcome run_drop(const runtime::Job& job);
  messages::Outcome run_search(const runtime::Job& job);
  messages::Outcome run_page(const runtime::Job& job);
  void save_where_due(bool idle);

  // Opens the collection when its folder exists; with `make`, makes it. Null: there is none.
  Result<std::shared_ptr<Collection>> collection(const std::string& name, bool make);

  const IndexConfig config_;

  std::mutex mutex_;
  std::condition_variable writes_changed_;
  std::condition_variable reads_changed_;
  std::map<std::string, Queue> writes_;  // guarded by mutex_; by routing key
  std::deque<std::string> writable_;     // guarded by mutex_; keys with waiting writes, not taken
  std::deque<Task> reads_;               // guarded by mutex_
  bool stopping_ = false;                // guarded by mutex_

  struct Slot {
    std::mutex opening;
    std::shared_ptr<Collection> collection;  // guarded by opening
  };
  std::mutex open_mutex_;
  std::map<std::string, std::shared_ptr<Slot>> open_;  // guarded by open_mutex_

  std::vector<std::thread> threads_;
};

}  // namespace answermill::index
