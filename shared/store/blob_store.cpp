#include "shared/store/blob_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
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

Status sync_folder(const std::filesystem::path& folder) {
  const UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::fsync(fd.get()) != 0) return disk_error("cannot sync a blob folder");
  return {};
}

}  // namespace

BlobWriter::BlobWriter(UniqueFd file, std::filesystem::path temporary, std::filesystem::path root)
    : file_(std::move(file)), temporary_(std::move(temporary)), root_(std::move(root)) {}

BlobWriter::~BlobWriter() {
  if (file_) ::unlink(temporary_.c_str());
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
  if (::rename(temporary_.c_str(), place.c_str()) != 0) return disk_error("cannot place a blob");
  file_.reset();
  if (auto synced = sync_folder(place.parent_path()); !synced) return synced.error();
  return hash;
}

BlobStore::BlobStore(std::filesystem::path root) : root_(std::move(root)) {
  std::filesystem::create_directories(root_ / "incoming");
  std::filesystem::permissions(root_, std::filesystem::perms::owner_all);
}

Result<BlobWriter> BlobStore::create() {
  auto temporary = root_ / "incoming" / random_id(26);
  UniqueFd file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file) return disk_error("cannot start a blob");
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
