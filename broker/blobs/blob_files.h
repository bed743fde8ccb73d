// Open blobs, a few at a time, so that a transfer opens its file once. A blob that was deleted meanwhile is
// not read any more.
//
// Thread: the blob service's. Errors: kNotFound, kInvalidArgument (no hash), kInternal.
#pragma once

#include <cstdint>
#include <list>
#include <string>

#include "shared/base/result.h"
#include "shared/base/unix_fd.h"
#include "shared/store/blob_store.h"

namespace answermill::broker {

class BlobFiles {
 public:
  explicit BlobFiles(store::BlobStore store) : store_(std::move(store)) {}

  // Fills `bytes` with what the blob has at `offset`, up to `length`; returns the blob's size.
  Result<std::uint64_t> read(const std::string& hash, std::uint64_t offset, std::uint32_t length,
                             std::string& bytes);
  void close_all() { open_.clear(); }

 private:
  struct Open {
    std::string hash;
    UniqueFd file;
  };
  Result<std::uint64_t> size_of_front() const;
  Result<std::uint64_t> current(const std::string& hash);  // moves it to the front; its size

  store::BlobStore store_;
  std::list<Open> open_;  // most recently used first
};

}  // namespace answermill::broker
