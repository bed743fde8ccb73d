// Copies of blobs that live elsewhere, in one folder shared by the processes of a host.
//
// HASH is a whole blob, HASH.part the beginning of one. Whoever holds the lock on the part (flock, so it ends
// with its process) may add to it; when it is whole and has its hash it gets its name. Nothing is synced:
// after a power cut a file may hold anything, so each process checks a file's hash before its first use, and
// again when the file has changed. The least recently used make room for the next; a file that is open stays
// readable.
//
// Thread: BlobCache from any thread; a PartialBlob from one at a time. Units: bytes.
// Errors: kDiskFull (also when the folder may not hold so much), kCancelled, kInternal, and those named
// below.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/result.h"
#include "shared/base/sha256.h"
#include "shared/base/unix_fd.h"

namespace answermill::store {

struct BlobCacheOptions {
  std::filesystem::path folder;
  std::uint64_t most_bytes = 4ULL << 30U;
  std::chrono::seconds keep{900};  // since a file was last used
};

class BlobCache;

// The beginning of a blob, locked. Destroyed before finish(): it stays for the next to go on with.
class PartialBlob {
 public:
  PartialBlob(PartialBlob&&) noexcept = default;
  PartialBlob& operator=(PartialBlob&&) noexcept = default;

  // What was there at the beginning must be hashed before anything is added: call until it returns true.
  // Reads a few MB at each call.
  Result<bool> read_on();
  std::uint64_t size() const { return size_; }
  Status append(std::string_view bytes);
  Status start_over();
  // The blob under its own name, open for reading. Errors: kDamaged when the hash is wrong; kConflict when
  // another process has taken it over, or was quicker.
  Result<UniqueFd> finish();
  void remove();

 private:
  friend class BlobCache;
  PartialBlob(BlobCache& cache, UniqueFd file, std::string hash, std::uint64_t size)
      : cache_(&cache), file_(std::move(file)), hash_(std::move(hash)), size_(size) {}

  BlobCache* cache_;  // outlives us
  UniqueFd file_;
  std::string hash_;
  std::uint64_t size_;
  std::uint64_t hashed_ = 0;
  Sha256 sum_;
};

class BlobCache {
 public:
  // Makes the folder when it is missing. Errors: kForbidden when it is somebody else's.
  static Result<std::unique_ptr<BlobCache>> open_folder(BlobCacheOptions options);

  // Asked between pieces of a long check: false ends it with kCancelled.
  using GoOn = std::function<bool()>;

  // Read-only, of checked bytes. Errors: kNotFound; kDamaged, and the file is gone then.
  Result<UniqueFd> open(const std::string& hash, const GoOn& go_on);
  // Errors: kConflict when the whole blob is there; kBusy when another process has the part.
  Result<PartialBlob> claim(const std::string& hash);
  // The same of a part whose holder hangs: begins a new one, and the other's goes nowhere.
  Result<PartialBlob> take_over(const std::string& hash);
  // How much of it somebody has received so far; 0 for nothing.
  std::uint64_t part_size(const std::string& hash) const;
  // Removes what is needed for `size` bytes more of `part`, and sets them aside on the disk.
  Status make_room(PartialBlob& part, std::uint64_t size);
  // Removes what nobody has used for long.
  void expire(std::chrono::system_clock::time_point now);

  const std::filesystem::path& folder() const { return options_.folder; }

 private:
  friend class PartialBlob;
  // What a checked file looked like.
  struct Identity {
    std::uint64_t inode = 0;
    std::uint64_t size = 0;
    std::int64_t modified_ns = 0;
    bool operator==(const Identity&) const = default;
  };
  struct Entry;

  explicit BlobCache(BlobCacheOptions options) : options_(std::move(options)) {}
  static Result<Identity> identity_of(int file);
  std::filesystem::path place_of(const std::string& hash) const { return options_.folder / hash; }
  std::filesystem::path part_of(const std::string& hash) const { return options_.folder / (hash + ".part"); }
  bool is_checked(const std::string& hash, const Identity& identity);
  void remember(const std::string& hash, const Identity& identity);
  std::vector<Entry> entries() const;
  static bool remove(const Entry& entry);

  BlobCacheOptions options_;
  std::mutex mutex_;
  std::map<std::string, Identity> checked_;  // guarded by mutex_
};

}  // namespace answermill::store
