#include "workers/index/snapshot_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <vector>

namespace answermill::index {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::size_t kBufferBytes = 1U << 20U;
constexpr std::size_t kChecksumBytes = 32;

}  // namespace

SnapshotWriter::SnapshotWriter(std::filesystem::path path, std::string_view magic)
    : path_(std::move(path)),
      temporary_(path_.string() + ".new"),
      file_(::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)) {
  if (!file_) failure_ = errno;
  bytes(magic);
}

SnapshotWriter::~SnapshotWriter() {
  if (!finished_) ::unlink(temporary_.c_str());
}

void SnapshotWriter::bytes(std::string_view bytes) {
  hash_.update(bytes);
  write(bytes);
}

void SnapshotWriter::integer(std::uint64_t value) {
  bytes({reinterpret_cast<const char*>(&value), sizeof(value)});
}

void SnapshotWriter::write(std::string_view bytes) {
  buffer_ += bytes;
  if (buffer_.size() >= kBufferBytes) flush();
}

void SnapshotWriter::flush() {
  std::string_view rest = buffer_;
  while (!rest.empty() && failure_ == 0) {
    const ssize_t written = ::write(file_.get(), rest.data(), rest.size());
    if (written >= 0) {
      rest.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno != EINTR) {
      failure_ = errno;
    }
  }
  buffer_.clear();
}

Status SnapshotWriter::finish() {
  const Sha256Digest digest = hash_.finish();
  write({reinterpret_cast<const char*>(digest.data()), digest.size()});
  flush();
  if (failure_ == 0 && ::fsync(file_.get()) != 0) failure_ = errno;
  if (failure_ == 0 && ::rename(temporary_.c_str(), path_.c_str()) != 0) failure_ = errno;
  if (failure_ != 0) {
    return Error{failure_ == ENOSPC ? ErrorCode::kDiskFull : ErrorCode::kInternal,
                 std::string("an index snapshot could not be written: ") + std::strerror(failure_)};
  }
  finished_ = true;
  return {};
}

SnapshotReader::SnapshotReader(const std::filesystem::path& path, std::string_view magic)
    : file_(path, std::ios::binary) {
  std::error_code failure;
  const std::uint64_t size = std::filesystem::file_size(path, failure);
  found_ = !failure && file_.is_open();
  if (!found_ || size < magic.size() + kChecksumBytes) return;
  remaining_ = size - kChecksumBytes;
  good_ = true;
  std::string head(magic.size(), '\0');
  good_ = bytes(head.data(), head.size()) && head == magic;
}

bool SnapshotReader::bytes(char* out, std::size_t size) {
  if (!good_ || size > remaining_) return good_ = false;
  file_.read(out, static_cast<std::streamsize>(size));
  if (file_.gcount() != static_cast<std::streamsize>(size)) return good_ = false;
  hash_.update({out, size});
  remaining_ -= size;
  return true;
}

bool SnapshotReader::integer(std::uint64_t& value) {
  return bytes(reinterpret_cast<char*>(&value), sizeof(value));
}

Status SnapshotReader::finish() {
  if (!found_) return Error{ErrorCode::kNotFound, "there is no index snapshot"};
  Sha256Digest stored{};
  if (good_ && remaining_ == 0) {
    file_.read(reinterpret_cast<char*>(stored.data()), static_cast<std::streamsize>(stored.size()));
    if (file_.gcount() == static_cast<std::streamsize>(stored.size()) && stored == hash_.finish()) return {};
  }
  return Error{ErrorCode::kDamaged, "an index snapshot is damaged"};
}

Result<std::string> file_sha256(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Error{ErrorCode::kNotFound, "a file to check is missing"};
  Sha256 hash;
  std::vector<char> buffer(kBufferBytes);
  while (file.read(buffer.data(), static_cast<std::streamsize>(buffer.size())) || file.gcount() > 0) {
    hash.update({buffer.data(), static_cast<std::size_t>(file.gcount())});
  }
  return to_hex(hash.finish());
}

}  // namespace answermill::index
