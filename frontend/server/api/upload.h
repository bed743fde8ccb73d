// One file on its way into the blob store, written piece by piece on the disk's thread.
//
// Thread: the loop. Dropped before finish(): nothing of it stays.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "frontend/server/api/loop.h"
#include "frontend/server/catalog/worker_thread.h"
#include "shared/base/result.h"
#include "shared/store/blob_store.h"

namespace answermill::frontend {

class Upload {
 public:
  Upload(Loop& loop, Executor& disk, store::BlobStore& blobs, std::uint64_t limit_bytes);
  ~Upload();
  Upload(const Upload&) = delete;
  Upload& operator=(const Upload&) = delete;

  // Copies the bytes and writes them in order; `done` is called on the loop. At most a window of bytes should
  // be under way: the caller waits for `done`. Errors: kTooLarge (at once, nothing is written), kDiskFull,
  // kInternal.
  void append(std::string_view bytes, std::function<void(Status)> done);

  struct Stored {
    std::string hash;
    std::uint64_t size = 0;
  };
  // After every append. Blocks the disk's thread for an fsync, not the loop.
  void finish(std::function<void(Result<Stored>)> done);

  std::uint64_t size() const { return size_; }

 private:
  struct File;  // lives on the disk's thread

  Loop& loop_;
  Executor& disk_;
  std::uint64_t limit_bytes_;
  std::uint64_t size_ = 0;
  std::shared_ptr<File> file_;
};

Error too_large(std::uint64_t limit_bytes);

}  // namespace answermill::frontend
