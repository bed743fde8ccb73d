#include "frontend/server/api/upload.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

namespace answermill::frontend {

struct Upload::File {
  explicit File(store::BlobStore& store) : blobs(store) {}

  Status append(const std::string& bytes) {
    if (!failed && !writer) {
      auto created = blobs.create();
      if (created) {
        writer.emplace(std::move(*created));
      } else {
        failed = created.error();
      }
    }
    if (!failed) {
      if (auto written = writer->append(bytes); !written) failed = written.error();
    }
    if (failed) return *failed;
    return {};
  }

  Result<Stored> finish() {
    if (auto made = append({}); !made) return made.error();  // an empty file is a file too
    const std::uint64_t size = writer->size();
    auto hash = writer->finish();
    if (!hash) return hash.error();
    return Stored{std::move(*hash), size};
  }

  store::BlobStore& blobs;
  std::optional<store::BlobWriter> writer;
  std::optional<Error> failed;
};

Upload::Upload(Loop& loop, Executor& disk, store::BlobStore& blobs, std::uint64_t limit_bytes)
    : loop_(loop), disk_(disk), limit_bytes_(limit_bytes), file_(std::make_shared<File>(blobs)) {}

// Closing and unlinking a large file takes its time: the disk's thread does that too.
Upload::~Upload() {
  disk_.post([file = std::move(file_)]() mutable { file.reset(); });
}

void Upload::append(std::string_view bytes, std::function<void(Status)> done) {
  if (bytes.size() > limit_bytes_ - size_) return done(too_large(limit_bytes_));
  size_ += bytes.size();
  disk_.post([file = file_, &loop = loop_, copy = std::string(bytes), done = std::move(done)]() mutable {
    Status status = file->append(copy);
    loop.post([done = std::move(done), status = std::move(status)] { done(status); });
  });
}

void Upload::finish(std::function<void(Result<Stored>)> done) {
  disk_.post([file = file_, &loop = loop_, done = std::move(done)]() mutable {
    auto stored = file->finish();
    loop.post([done = std::move(done), stored = std::move(stored)]() mutable { done(std::move(stored)); });
  });
}

Error too_large(std::uint64_t limit_bytes) {
  return {ErrorCode::kTooLarge, fmt::format("A file may have at most {} bytes here.", limit_bytes)};
}

}  // namespace answermill::frontend
