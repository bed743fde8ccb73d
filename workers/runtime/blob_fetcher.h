// Fetches blobs from the broker into the host's cache folder, on a thread and a ZeroMQ context of its own, so
// that bytes never delay leases and beats.
//
// Wants of one blob share one transfer; when the last of them leaves, the transfer stops and its beginning
// stays in the folder. Of several processes of a host one receives a blob, the others watch its part grow and
// take over when it dies or hangs.
//
// Thread: want() and leave() from any; a BlobFetch is shared by its asker and the fetcher.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "shared/base/mailbox.h"
#include "shared/base/result.h"
#include "shared/base/unix_fd.h"
#include "shared/bus/dialer.h"
#include "shared/store/blob_cache.h"
#include "workers/runtime/blob_receiver.h"

namespace answermill::runtime {

struct BlobFetcherOptions {
  std::string endpoint;               // the broker's ROUTER for blobs, on this host …
  std::optional<bus::Dialer> dialer;  // … or this way, when it is on another
  BlobReceiverConfig receiver;
  std::size_t most_transfers = 8;             // at once; more wait for their turn
  std::chrono::milliseconds watch_every{20};  // another process's transfer
  std::chrono::seconds hung_after{10};        // without a byte, it is taken over
  std::chrono::seconds expire_every{60};
};

// One asker's wait for one blob.
class BlobFetch {
 public:
  explicit BlobFetch(std::string hash) : hash_(std::move(hash)) {}

  const std::string& hash() const { return hash_; }
  // True when it is over.
  bool wait_for(std::chrono::milliseconds most);
  // Once, after it is over. Errors: what the broker said (kNotFound …), kDamaged when a wrong hash came
  // twice, kUnavailable after a long silence, kDiskFull, kConflict when another process had put it into the
  // cache.
  Result<UniqueFd> take();
  // Grows while bytes arrive.
  std::uint64_t activity() const { return activity_.load(std::memory_order_relaxed); }

 private:
  friend class BlobFetcher;
  void advance() { activity_.fetch_add(1, std::memory_order_relaxed); }
  void finish(Result<UniqueFd> result);

  std::string hash_;
  std::atomic<std::uint64_t> activity_ = 0;
  std::mutex mutex_;
  std::condition_variable over_;
  std::optional<Result<UniqueFd>> result_;  // guarded by mutex_
};

class BlobFetcher {
 public:
  // `cache` must outlive it. Errors: kUnavailable (the endpoint).
  static Result<std::unique_ptr<BlobFetcher>> start(const BlobFetcherOptions& options,
                                                    store::BlobCache& cache);
  // Open wants end with kCancelled.
  ~BlobFetcher();

  std::shared_ptr<BlobFetch> want(const std::string& hash);
  void leave(const std::shared_ptr<BlobFetch>& fetch);

 private:
  class Loop;
  struct Transfer;

  BlobFetcher() = default;

  Mailbox mailbox_;
  Loop* loop_ = nullptr;  // owned by the thread; touched by what it runs from the mailbox
  std::thread thread_;
};

}  // namespace answermill::runtime
