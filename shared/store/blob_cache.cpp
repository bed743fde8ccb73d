#include "shared/store/blob_cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <system_error>
#include <utility>

namespace answermill::store {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kReadBytes = 1U << 20U;
constexpr int kReadsPerStep = 4;
constexpr std::string_view kPart = ".part";

Error disk_error(std::string_view what) {
  const int number = errno;
  const bool full = number == ENOSPC || number == EDQUOT;
  return {full ? ErrorCode::kDiskFull : ErrorCode::kInternal,
          std::string(what) + ": " + std::strerror(number)};
}

bool is_hash(std::string_view name) {
  return name.size() == 64 && name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// Adds up to `most` bytes at `offset` to `sum`; how many there were.
Result<std::size_t> hash_piece(int file, std::uint64_t offset, std::size_t most, std::string& buffer,
                               Sha256& sum) {
  buffer.resize(kReadBytes);
  while (true) {
    const ssize_t got =
        ::pread(file, buffer.data(), std::min(most, buffer.size()), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return disk_error("cannot read a cached blob");
    sum.update(std::string_view(buffer.data(), static_cast<std::size_t>(got)));
    return static_cast<std::size_t>(got);
  }
}

Result<bool> has_hash(int file, const std::string& hash, const BlobCache::GoOn& go_on) {
  Sha256 sum;
  std::string buffer;
  std::uint64_t offset = 0;
  while (true) {
    if (go_on && !go_on()) return Error{ErrorCode::kCancelled, "The job was cancelled."};
    const auto got = hash_piece(file, offset, kReadBytes, buffer, sum);
    if (!got) return got.error();
    if (*got == 0) return to_hex(sum.finish()) == hash;
    offset += *got;
  }
}

// Whether the path still leads to the file that is open.
bool is_same_file(int file, const fs::path& path) {
  struct stat open_file {};
  struct stat named {};
  return ::fstat(file, &open_file) == 0 && ::stat(path.c_str(), &named) == 0 &&
         open_file.st_ino == named.st_ino && open_file.st_dev == named.st_dev;
}

}  // namespace

struct BlobCache::Entry {
  fs::path path;
  std::uint64_t bytes = 0;  // on the disk, with what is set aside
  std::chrono::system_clock::time_point used;
  bool part = false;
};

Result<bool> PartialBlob::read_on() {
  std::string buffer;
  for (int i = 0; i < kReadsPerStep && hashed_ < size_; ++i) {
    const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(kReadBytes, size_ - hashed_));
    const auto got = hash_piece(file_.get(), hashed_, most, buffer, sum_);
    if (!got) return got.error();
    if (*got == 0) return Error{ErrorCode::kInternal, "a partial blob has become shorter"};
    hashed_ += *got;
  }
  return hashed_ == size_;
}

Status PartialBlob::append(std::string_view bytes) {
  sum_.update(bytes);
  while (!bytes.empty()) {
    const ssize_t wrote = ::pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(size_));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return disk_error("cannot write to the blob cache " + cache_->folder().string());
    size_ += static_cast<std::uint64_t>(wrote);
    hashed_ = size_;
    bytes.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return {};
}

Status PartialBlob::start_over() {
  if (::ftruncate(file_.get(), 0) != 0) return disk_error("cannot write to the blob cache");
  sum_ = Sha256();
  size_ = hashed_ = 0;
  return {};
}

Result<UniqueFd> PartialBlob::finish() {
  if (to_hex(std::exchange(sum_, Sha256()).finish()) != hash_)
    return Error{ErrorCode::kDamaged, "the bytes that arrived have another hash"};
  // By descriptor: under the part's name there may be another's file by now.
  const std::string own = "/proc/self/fd/" + std::to_string(file_.get());
  const auto place = cache_->place_of(hash_);
  if (::linkat(AT_FDCWD, own.c_str(), AT_FDCWD, place.c_str(), AT_SYMLINK_FOLLOW) != 0) {
    if (errno == EEXIST || errno == ENOENT)
      return Error{ErrorCode::kConflict, "another process has taken the blob over"};
    return disk_error("cannot place a blob");
  }
  UniqueFd file(::open(own.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return disk_error("cannot open a cached blob");
  if (const auto identity = BlobCache::identity_of(file.get())) cache_->remember(hash_, *identity);
  remove();
  return file;
}

void PartialBlob::remove() {
  const auto part = cache_->part_of(hash_);
  if (is_same_file(file_.get(), part)) ::unlink(part.c_str());
  file_.reset();
}

Result<std::unique_ptr<BlobCache>> BlobCache::open_folder(BlobCacheOptions options) {
  std::error_code problem;
  fs::create_directories(options.folder, problem);
  struct stat info {};
  if (::lstat(options.folder.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) {
    return Error{ErrorCode::kInternal, "the blob cache " + options.folder.string() + " cannot be made: " +
                                           (problem ? problem.message() : "it is not a folder")};
  }
  // Somebody else's folder could change between the check and the use.
  if (info.st_uid != ::geteuid() || ::chmod(options.folder.c_str(), 0700) != 0)
    return Error{ErrorCode::kForbidden,
                 "the blob cache " + options.folder.string() + " belongs to another user"};
  return std::unique_ptr<BlobCache>(new BlobCache(std::move(options)));
}

Result<BlobCache::Identity> BlobCache::identity_of(int file) {
  struct stat info {};
  if (::fstat(file, &info) != 0) return disk_error("cannot read a cached blob");
  return Identity{info.st_ino, static_cast<std::uint64_t>(info.st_size),
                  info.st_mtim.tv_sec * 1'000'000'000LL + info.st_mtim.tv_nsec};
}

bool BlobCache::is_checked(const std::string& hash, const Identity& identity) {
  const std::lock_guard lock(mutex_);
  const auto known = checked_.find(hash);
  return known != checked_.end() && known->second == identity;
}

void BlobCache::remember(const std::string& hash, const Identity& identity) {
  const std::lock_guard lock(mutex_);
  checked_[hash] = identity;
}

Result<UniqueFd> BlobCache::open(const std::string& hash, const GoOn& go_on) {
  if (!is_hash(hash)) return Error{ErrorCode::kInvalidArgument, "not a blob hash"};
  UniqueFd file(::open(place_of(hash).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file && errno == ENOENT) return Error{ErrorCode::kNotFound, "the blob is not in the cache"};
  if (!file) return disk_error("cannot open a cached blob");
  const timespec used[2] = {{0, UTIME_NOW}, {0, UTIME_OMIT}};
  ::futimens(file.get(), used);  // only the order of eviction depends on it
  const auto identity = identity_of(file.get());
  if (!identity) return identity.error();
  if (is_checked(hash, *identity)) return file;
  const auto matches = has_hash(file.get(), hash, go_on);
  if (!matches) return matches.error();
  if (!*matches) {
    if (is_same_file(file.get(), place_of(hash))) ::unlink(place_of(hash).c_str());
    return Error{ErrorCode::kDamaged, "a cached blob was damaged"};
  }
  remember(hash, *identity);
  return file;
}

Result<PartialBlob> BlobCache::claim(const std::string& hash) {
  if (!is_hash(hash)) return Error{ErrorCode::kInvalidArgument, "not a blob hash"};
  const auto path = part_of(hash);
  while (true) {
    if (::access(place_of(hash).c_str(), F_OK) == 0) return Error{ErrorCode::kConflict, "the blob is there"};
    UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file) return disk_error("cannot write to the blob cache " + options_.folder.string());
    if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0)
      return Error{ErrorCode::kBusy, "another process receives the blob"};
    if (!is_same_file(file.get(), path)) continue;  // it was finished or removed before we had the lock
    const auto identity = identity_of(file.get());
    if (!identity) return identity.error();
    return PartialBlob(*this, std::move(file), hash, identity->size);
  }
}

Result<PartialBlob> BlobCache::take_over(const std::string& hash) {
  if (!is_hash(hash)) return Error{ErrorCode::kInvalidArgument, "not a blob hash"};
  ::unlink(part_of(hash).c_str());
  return claim(hash);
}

std::uint64_t BlobCache::part_size(const std::string& hash) const {
  struct stat info {};
  return ::stat(part_of(hash).c_str(), &info) == 0 ? static_cast<std::uint64_t>(info.st_size) : 0;
}

std::vector<BlobCache::Entry> BlobCache::entries() const {
  std::vector<Entry> all;
  std::error_code problem;
  for (const auto& file : fs::directory_iterator(options_.folder, problem)) {
    const std::string name = file.path().filename().string();
    const bool part = name.size() > kPart.size() && is_hash(name.substr(0, name.size() - kPart.size()));
    struct stat info {};
    if ((!part && !is_hash(name)) || ::stat(file.path().c_str(), &info) != 0) continue;
    const auto used = std::max(info.st_atim.tv_sec, info.st_mtim.tv_sec);
    all.push_back({file.path(), static_cast<std::uint64_t>(info.st_blocks) * 512,
                   std::chrono::system_clock::from_time_t(used), part});
  }
  std::sort(all.begin(), all.end(), [](const Entry& a, const Entry& b) { return a.used < b.used; });
  return all;
}

// A part that somebody receives stays.
bool BlobCache::remove(const Entry& entry) {
  if (!entry.part) return ::unlink(entry.path.c_str()) == 0;
  const UniqueFd file(::open(entry.path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  return file && ::flock(file.get(), LOCK_EX | LOCK_NB) == 0 && is_same_file(file.get(), entry.path) &&
         ::unlink(entry.path.c_str()) == 0;
}

Status BlobCache::make_room(PartialBlob& part, std::uint64_t size) {
  const auto too_small = [this] {
    return Error{ErrorCode::kDiskFull, "the blob cache " + options_.folder.string() +
                                           " may not hold a document of this size; raise its limit"};
  };
  if (size > options_.most_bytes) return too_small();
  const auto all = entries();
  std::uint64_t used = 0;
  for (const auto& entry : all) used += entry.bytes;
  struct stat own {};
  if (::fstat(part.file_.get(), &own) != 0) return disk_error("cannot read a partial blob");
  const std::uint64_t held = static_cast<std::uint64_t>(own.st_blocks) * 512;
  used = used > held ? used - held : 0;
  for (const auto& entry : all) {
    if (used + size <= options_.most_bytes) break;
    if (entry.path != part_of(part.hash_) && remove(entry)) used -= std::min(used, entry.bytes);
  }
  if (used + size > options_.most_bytes) return too_small();
  if (size <= part.size_) return {};
  // Set aside, so that the other processes of the host see the space as taken.
  if (::fallocate(part.file_.get(), FALLOC_FL_KEEP_SIZE, static_cast<off_t>(part.size_),
                  static_cast<off_t>(size - part.size_)) != 0 &&
      (errno == ENOSPC || errno == EDQUOT)) {
    return disk_error("cannot write to the blob cache " + options_.folder.string());
  }
  return {};
}

void BlobCache::expire(std::chrono::system_clock::time_point now) {
  for (const auto& entry : entries()) {
    if (now - entry.used > options_.keep) remove(entry);
  }
  const std::lock_guard lock(mutex_);
  for (auto known = checked_.begin(); known != checked_.end();)
    known = ::access(place_of(known->first).c_str(), F_OK) == 0 ? std::next(known) : checked_.erase(known);
}

}  // namespace answermill::store
