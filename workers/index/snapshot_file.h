// A file of derived state that is either whole or not there: magic, values, SHA-256 of all before it.
//
// Integers are little-endian 64-bit (the only hosts we build for are little-endian; checked at compile time).
// Thread: one at a time. Errors: kDiskFull and kInternal when writing; kNotFound and kDamaged when reading.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "shared/base/result.h"
#include "shared/base/sha256.h"
#include "shared/base/unix_fd.h"

namespace answermill::index {

// Collects into "<path>.new"; destroyed before finish(), that file is removed.
class SnapshotWriter {
 public:
  SnapshotWriter(std::filesystem::path path, std::string_view magic);
  ~SnapshotWriter();
  SnapshotWriter(const SnapshotWriter&) = delete;
  SnapshotWriter& operator=(const SnapshotWriter&) = delete;

  void bytes(std::string_view bytes);
  void integer(std::uint64_t value);
  // Appends the checksum, fsyncs and renames. The first failure of any step is reported here.
  Status finish();

 private:
  void write(std::string_view bytes);
  void flush();

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  UniqueFd file_;
  Sha256 hash_;
  std::string buffer_;
  int failure_ = 0;  // errno of the first failed step
  bool finished_ = false;
};

// Every read is bounded by what the file holds; after a failed one all others fail too.
class SnapshotReader {
 public:
  SnapshotReader(const std::filesystem::path& path, std::string_view magic);

  bool bytes(char* out, std::size_t size);
  bool integer(std::uint64_t& value);
  std::uint64_t remaining() const { return remaining_; }  // payload bytes that are left
  // True when everything was read and the checksum matches.
  Status finish();

 private:
  std::ifstream file_;
  Sha256 hash_;
  std::uint64_t remaining_ = 0;
  bool found_ = false;
  bool good_ = false;
};

// SHA-256 of a file in hex. Errors: kNotFound.
Result<std::string> file_sha256(const std::filesystem::path& path);

}  // namespace answermill::index
