// Where a job's blobs come from: the data folder of this host when it has them, else the broker, by way of a
// cache folder.
//
// Thread: open() from several threads at once.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "shared/base/result.h"
#include "shared/base/unix_fd.h"
#include "shared/bus/job.h"
#include "shared/store/blob_cache.h"
#include "shared/store/blob_store.h"

namespace answermill::runtime {

class BlobSource {
 public:
  virtual ~BlobSource() = default;
  // Read-only. Blocks until the bytes are here and have their hash; shows the job's signs of life while they
  // come. Errors: kNotFound (nobody has it), kDamaged (what is stored has another hash), kCancelled with the
  // job; kUnavailable, kBusy and kDiskFull may pass.
  virtual Result<UniqueFd> open(const std::string& hash, bus::JobHandle& job) = 0;
};

// A folder of this host and nothing else.
class StoredBlobs : public BlobSource {
 public:
  explicit StoredBlobs(const store::BlobStore& store) : store_(store) {}
  Result<UniqueFd> open(const std::string& hash, bus::JobHandle&) override { return store_.open(hash); }

 private:
  const store::BlobStore& store_;
};

struct BlobSourceOptions {
  std::string data;      // its folder "blobs" is looked at first; empty for none
  std::string endpoint;  // the broker's, for what is not there; empty for none
  std::string bus;       // instead of the endpoint: "tcp://HOST:PORT" of another host's broker …
  std::string bus_key;   // … with this key file
  store::BlobCacheOptions cache;
};

// Errors: kInvalidArgument when both are empty; kUnavailable, kForbidden, kInternal (the cache folder).
Result<std::unique_ptr<BlobSource>> make_blob_source(const BlobSourceOptions& options);

// systemd's CACHE_DIRECTORY, else XDG_CACHE_HOME or HOME, else a folder of this user in /var/tmp.
std::filesystem::path default_blob_cache();

}  // namespace answermill::runtime
