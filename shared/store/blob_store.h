// Bytes named by their SHA-256. Only this opens blobs; everybody else passes hashes around.
//
// Thread: every function from any thread; a BlobWriter from one at a time. Blobs are immutable once finished.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "shared/base/result.h"
#include "shared/base/sha256.h"
#include "shared/base/unix_fd.h"

namespace answermill::store {

// Collects bytes in a file without a name, of which nothing stays if the process dies. Where the file system
// has no such files it gets one under `incoming`, locked as long as its writer lives.
class BlobWriter {
 public:
  // `temporary`: the file's name, if it has one.
  BlobWriter(UniqueFd file, std::filesystem::path temporary, std::filesystem::path root);
  ~BlobWriter();
  BlobWriter(BlobWriter&&) noexcept = default;
  BlobWriter& operator=(BlobWriter&&) = delete;

  // Errors: kDiskFull, kInternal.
  Status append(std::string_view bytes);
  std::uint64_t size() const { return size_; }

  // fsyncs, puts the file in the hash's place and returns the hash (hex). Blocks on the disk.
  Result<std::string> finish();

 private:
  Status place(const std::filesystem::path& at, const std::string& hash);
  UniqueFd file_;
  std::filesystem::path temporary_;
  std::filesystem::path root_;
  Sha256 hash_;
  std::uint64_t size_ = 0;
};

class BlobStore {
 public:
  enum class Temporary { kNameless, kNamed };

  // Makes the folder (0700) when it is missing, and removes what dead writers left under `incoming`.
  explicit BlobStore(std::filesystem::path root, Temporary temporary = Temporary::kNameless);

  Result<BlobWriter> create();
  // Read-only descriptor. Errors: kNotFound.
  Result<UniqueFd> open(std::string_view hash) const;
  Result<std::string> read(std::string_view hash) const;
  Result<std::string> put(std::string_view bytes);
  // Removing a blob that is not there is not an error.
  Status remove(std::string_view hash);

 private:
  void sweep() const;

  std::filesystem::path root_;
  Temporary temporary_;
};

}  // namespace answermill::store
