#include "shared/store/blob_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <system_error>

#include "shared/base/ids.h"

namespace answermill::store {
namespace {

Error disk_error(std::string_view what) {
  const int number = errno;
  const bool full = number == ENOSPC || number == EDQUOT;
  return {full ? ErrorCode::kDiskFull : ErrorCode::kInternal,
          std::string(what) + ": " + std::strerror(number) + (full ? "; free some space and try again" : "")};
}

bool is_hash(std::string_view hash) {
  return hash.size() == 64 && hash.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// Two levels keep folders small: ab/cdef….
std::filesystem::path place_of(const std::filesystem::path& root, std::string_view hash) {
  return root / hash.substr(0, 2) / hash.substr(2);
}

// How a file without a name is called: linkat() takes this one without privileges.
// Source: open(2), O_TMPFILE
std::string own_path(int file) { return "/proc/self/fd/" + std::to_string(file); }

// Empty when it cannot be read.
std::string file_hash(const std::filesystem::path& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return {};
  Sha256 hash;
  std::string buffer(1U << 18U, '\0');
  while (true) {
    const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return {};
    if (got == 0) return to_hex(hash.finish());
    hash.update(std::string_view(buffer).substr(0, static_cast<std::size_t>(got)));
  }
}

Status sync_folder(const std::filesystem::path& folder) {
  const UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::fsync(fd.get()) != 0) return disk_error("cannot sync a blob folder");
  return {};
}

}  // namespace

BlobWriter::BlobWriter(UniqueFd file, std::filesystem::path temporary, std::filesystem::path root)
    : file_(std::move(file)), temporary_(std::move(temporary)), root_(std::move(root)) {}

BlobWriter::~BlobWriter() {
  if (file_ && !temporary_.empty()) ::unlink(temporary_.c_str());
}

Status BlobWriter::append(std::string_view bytes) {
  hash_.update(bytes);
  size_ += bytes.size();
  while (!bytes.empty()) {
    const ssize_t wrote = ::write(file_.get(), bytes.data(), bytes.size());
    if (wrote < 0) {
      if (errno == EINTR) continue;
      return disk_error("cannot write a blob");
    }
    bytes.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return {};
}

Result<std::string> BlobWriter::finish() {
  if (::fdatasync(file_.get()) != 0) return disk_error("cannot sync a blob");
  const std::string hash = to_hex(hash_.finish());
  const auto place = place_of(root_, hash);
  if (::mkdir(place.parent_path().c_str(), 0700) == 0) {
    if (auto synced = sync_folder(root_); !synced) return synced.error();
  } else if (errno != EEXIST) {
    return disk_error("cannot make a blob folder");
  }
  if (auto placed = this->place(place, hash); !placed) return placed.error();
  if (::fsync(file_.get()) != 0) return disk_error("cannot sync a blob");  // that it has a name now
  file_.reset();
  if (auto synced = sync_folder(place.parent_path()); !synced) return synced.error();
  return hash;
}

// A nameless file cannot replace another one. What is there already has the same bytes, unless the disk
// changed them: then it gets a name for a moment, and replaces it.
Status BlobWriter::place(const std::filesystem::path& at, const std::string& hash) {
  if (temporary_.empty()) {
    const std::string own = own_path(file_.get());
    if (::linkat(AT_FDCWD, own.c_str(), AT_FDCWD, at.c_str(), AT_SYMLINK_FOLLOW) == 0) return {};
    if (errno != EEXIST) return disk_error("cannot place a blob");
    if (file_hash(at) == hash) return {};
    temporary_ = root_ / "incoming" / random_id(26);
    if (::flock(file_.get(), LOCK_EX | LOCK_NB) != 0 ||
        ::linkat(AT_FDCWD, own.c_str(), AT_FDCWD, temporary_.c_str(), AT_SYMLINK_FOLLOW) != 0) {
      return disk_error("cannot place a blob");
    }
  }
  if (::rename(temporary_.c_str(), at.c_str()) != 0) return disk_error("cannot place a blob");
  return {};
}

BlobStore::BlobStore(std::filesystem::path root, Temporary temporary)
    : root_(std::move(root)), temporary_(temporary) {
  std::filesystem::create_directories(root_ / "incoming");
  std::filesystem::permissions(root_, std::filesystem::perms::owner_all);
  sweep();
}

// A named file that nobody holds locked lost its writer; a new one has a moment to be locked.
void BlobStore::sweep() const {
  constexpr std::chrono::minutes kYoung{1};
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(root_ / "incoming", ignored)) {
    const UniqueFd file(::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC));
    struct stat info {};
    if (!file || ::fstat(file.get(), &info) != 0) continue;
    const auto changed = std::chrono::system_clock::from_time_t(info.st_mtime);
    if (std::chrono::system_clock::now() - changed < kYoung) continue;
    if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) ::unlink(entry.path().c_str());
  }
}

Result<BlobWriter> BlobStore::create() {
  if (temporary_ == Temporary::kNameless) {
    UniqueFd file(::open((root_ / "incoming").c_str(), O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600));
    if (file && ::access(own_path(file.get()).c_str(), F_OK) == 0)
      return BlobWriter(std::move(file), {}, root_);
    // EOPNOTSUPP, EISDIR, EINVAL: no nameless files here; or no /proc to name them by later.
  }
  auto temporary = root_ / "incoming" / random_id(26);
  UniqueFd file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file || ::flock(file.get(), LOCK_EX | LOCK_NB) != 0) return disk_error("cannot start a blob");
  return BlobWriter(std::move(file), std::move(temporary), root_);
}

Result<UniqueFd> BlobStore::open(std::string_view hash) const {
  if (!is_hash(hash)) return Error{ErrorCode::kInvalidArgument, "not a blob hash"};
  UniqueFd file(::open(place_of(root_, hash).c_str(), O_RDONLY | O_CLOEXEC));
  if (!file && errno == ENOENT)
    return Error{ErrorCode::kNotFound, "the stored bytes are gone; upload the file again"};
  if (!file) return disk_error("cannot open a blob");
  return file;
}

Result<std::string> BlobStore::read(std::string_view hash) const {
  auto file = open(hash);
  if (!file) return file.error();
  std::string bytes;
  struct stat info {};
  if (::fstat(file->get(), &info) != 0) return disk_error("cannot read a blob");
  bytes.resize(static_cast<std::size_t>(info.st_size));
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t got = ::read(file->get(), bytes.data() + filled, bytes.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return disk_error("cannot read a blob");
    filled += static_cast<std::size_t>(got);
  }
  return bytes;
}

Result<std::string> BlobStore::put(std::string_view bytes) {
  auto writer = create();
  if (!writer) return writer.error();
  if (auto wrote = writer->append(bytes); !wrote) return wrote.error();
  return writer->finish();
}

Status BlobStore::remove(std::string_view hash) {
  if (!is_hash(hash)) return Error{ErrorCode::kInvalidArgument, "not a blob hash"};
  if (::unlink(place_of(root_, hash).c_str()) != 0 && errno != ENOENT)
    return disk_error("cannot remove a blob");
  return {};
}

}  // namespace answermill::store
