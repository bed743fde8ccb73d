#include "workers/runtime/blob_source.h"

#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <utility>

#include "shared/log/log.h"
#include "workers/runtime/blob_fetcher.h"

namespace answermill::runtime {
namespace {

constexpr std::chrono::milliseconds kLook{50};  // for a cancel, and for bytes that arrived
constexpr int kRounds = 5;                      // of being evicted or damaged before it was opened

Error cancelled() { return {ErrorCode::kCancelled, "The job was cancelled."}; }

class FetchedBlobs : public BlobSource {
 public:
  FetchedBlobs(std::optional<store::BlobStore> local, std::unique_ptr<store::BlobCache> cache,
               std::unique_ptr<BlobFetcher> fetcher)
      : local_(std::move(local)), cache_(std::move(cache)), fetcher_(std::move(fetcher)) {}

  Result<UniqueFd> open(const std::string& hash, bus::JobHandle& job) override {
    if (local_) {
      auto file = local_->open(hash);
      if (file || file.error().code != ErrorCode::kNotFound || !fetcher_) return file;
    }
    const auto go_on = [&job] {
      job.progress(0);
      return !job.cancelled();
    };
    for (int round = 0; round < kRounds; ++round) {
      auto cached = cache_->open(hash, go_on);
      if (cached) return cached;
      const auto code = cached.error().code;
      if (code == ErrorCode::kDamaged) log::warn("event=blob_cache_damaged hash={}", hash);
      if (code != ErrorCode::kNotFound && code != ErrorCode::kDamaged) return cached;
      auto fetched = fetch(hash, job);
      if (fetched || fetched.error().code != ErrorCode::kConflict) return fetched;
    }
    return Error{ErrorCode::kBusy, "the document left the blob cache before it could be opened"};
  }

 private:
  Result<UniqueFd> fetch(const std::string& hash, bus::JobHandle& job) {
    job.progress(0);
    const auto fetch = fetcher_->want(hash);
    std::uint64_t seen = 0;
    while (!fetch->wait_for(kLook)) {
      if (job.cancelled()) {
        fetcher_->leave(fetch);
        return cancelled();
      }
      // Only bytes count as life: a transfer that hangs must show.
      if (const auto activity = fetch->activity(); activity != seen) {
        seen = activity;
        job.progress(0);
      }
    }
    return fetch->take();
  }

  std::optional<store::BlobStore> local_;
  std::unique_ptr<store::BlobCache> cache_;
  std::unique_ptr<BlobFetcher> fetcher_;
};

}  // namespace

Result<std::unique_ptr<BlobSource>> make_blob_source(const BlobSourceOptions& options) {
  const bool reaches_broker = !options.endpoint.empty() || !options.bus.empty();
  if (options.data.empty() && !reaches_broker)
    return Error{ErrorCode::kInvalidArgument,
                 "documents are read with --data or fetched with --blobs-endpoint or --bus"};
  std::optional<store::BlobStore> local;
  if (!options.data.empty()) local.emplace(std::filesystem::path(options.data) / "blobs");
  std::unique_ptr<store::BlobCache> cache;
  std::unique_ptr<BlobFetcher> fetcher;
  if (reaches_broker) {
    auto opened = store::BlobCache::open_folder(options.cache);
    if (!opened) return opened.error();
    cache = std::move(*opened);
    BlobFetcherOptions fetching;
    fetching.endpoint = options.endpoint;
    if (!options.bus.empty()) {
      auto dialer = bus::Dialer::remote(options.bus, options.bus_key, bus::Role::kExtract);
      if (!dialer) return dialer.error();
      fetching.dialer = std::move(*dialer);
    }
    auto started = BlobFetcher::start(fetching, *cache);
    if (!started) return started.error();
    fetcher = std::move(*started);
  }
  return std::unique_ptr<BlobSource>(
      new FetchedBlobs(std::move(local), std::move(cache), std::move(fetcher)));
}

std::filesystem::path default_blob_cache() {
  const auto set = [](const char* name) {
    const char* value = std::getenv(name);
    return std::filesystem::path(value != nullptr && *value == '/' ? value : "");
  };
  if (auto folder = set("CACHE_DIRECTORY"); !folder.empty()) return folder / "blobs";
  if (auto folder = set("XDG_CACHE_HOME"); !folder.empty()) return folder / "answermill" / "blobs";
  if (auto folder = set("HOME"); !folder.empty()) return folder / ".cache" / "answermill" / "blobs";
  return "/var/tmp/answermill-" + std::to_string(::geteuid()) + "-blobs";
}

}  // namespace answermill::runtime
