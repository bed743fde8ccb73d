// The catalog's slow disk work, on a thread of its own: making committed answers durable, and copying the log
// into the file. On the catalog's thread each would keep questions waiting.
//
// An fdatasync of the log after a commit is what synchronous=FULL does within it; what a checkpoint has moved
// out of the log meanwhile was synced before that. Thread: calls come from any; callbacks run on its own.
// Errors: a failed sync is never tried again, since what it should have kept may be lost: it fails everything
// from then on. Source: https://www.sqlite.org/wal.html,
// https://www.sqlite.org/pragma.html#pragma_synchronous
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "frontend/server/catalog/catalog.h"
#include "frontend/server/catalog/worker_thread.h"

namespace answermill::frontend {

class CatalogSync {
 public:
  using Done = std::function<void(const Status&)>;

  // From now on the catalog leaves its log to this.
  CatalogSync(const std::string& path, Catalog& catalog);

  // `done` runs when everything that was committed before this call survives a power cut. One sync serves all
  // that wait for it.
  void after_commit(Done done);
  // After each use of the catalog, on its thread.
  void tend(Catalog& catalog);

 private:
  void sync();
  void checkpoint();

  std::string path_;
  std::mutex mutex_;
  std::vector<Done> waiting_;              // guarded by mutex_
  Status synced_;                          // the thread's
  std::optional<store::Database> copier_;  // the thread's
  WorkerThread thread_;                    // last: it ends before what it works on
};

}  // namespace answermill::frontend
