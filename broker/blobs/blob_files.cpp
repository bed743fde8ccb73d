#include "broker/blobs/blob_files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace answermill::broker {

namespace {
constexpr std::size_t kMostOpen = 32;
}

Result<std::uint64_t> BlobFiles::size_of_front() const {
  struct stat info {};
  if (::fstat(open_.front().file.get(), &info) != 0)
    return Error{ErrorCode::kInternal, std::string("cannot read a blob: ") + std::strerror(errno)};
  if (info.st_nlink == 0) return Error{ErrorCode::kNotFound, "deleted while it was open"};
  return static_cast<std::uint64_t>(info.st_size);
}

Result<std::uint64_t> BlobFiles::current(const std::string& hash) {
  const auto found =
      std::find_if(open_.begin(), open_.end(), [&](const Open& open) { return open.hash == hash; });
  if (found != open_.end()) {
    open_.splice(open_.begin(), open_, found);
    if (auto size = size_of_front()) return size;
    open_.pop_front();  // deleted; or uploaded again, which puts another file in its place
  }
  auto file = store_.open(hash);
  if (!file) return file.error();
  open_.push_front({hash, std::move(*file)});
  if (open_.size() > kMostOpen) open_.pop_back();
  return size_of_front();
}

Result<std::uint64_t> BlobFiles::read(const std::string& hash, std::uint64_t offset, std::uint32_t length,
                                      std::string& bytes) {
  bytes.clear();
  auto size = current(hash);
  if (!size || offset >= *size) return size;
  bytes.resize(static_cast<std::size_t>(std::min<std::uint64_t>(length, *size - offset)));
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t got = ::pread(open_.front().file.get(), bytes.data() + filled, bytes.size() - filled,
                                static_cast<off_t>(offset + filled));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0)
      return Error{ErrorCode::kInternal, std::string("cannot read a blob: ") + std::strerror(errno)};
    filled += static_cast<std::size_t>(got);
  }
  return size;
}

}  // namespace answermill::broker
