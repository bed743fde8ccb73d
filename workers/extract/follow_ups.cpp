#include "workers/extract/follow_ups.h"

#include <algorithm>
#include <utility>

#include "shared/messages/codec.h"

namespace answermill::extract {
namespace {

constexpr std::uint32_t kFirstRange = 2;
constexpr std::uint32_t kRange = 8;
constexpr std::uint32_t kMostRanges = 512;
constexpr std::size_t kFieldBytes = 48;  // what msgpack and the numbers of a chunk or page add at most

std::size_t size_of(const messages::Chunk& chunk) {
  return kFieldBytes + chunk.id.size() + chunk.heading.size() + chunk.type.size() + chunk.text.size();
}

}  // namespace

std::vector<PageRange> plan_ranges(std::uint32_t total) {
  std::vector<PageRange> ranges;
  if (total == 0) return ranges;
  const std::uint32_t first = std::min(kFirstRange, total);
  ranges.push_back({1, first});
  const std::uint32_t rest = total - first;
  const std::uint32_t size = std::max(kRange, (rest + kMostRanges - 2) / (kMostRanges - 1));
  for (std::uint32_t at = first + 1; at <= total;) {
    const std::uint32_t count = std::min(size, total - at + 1);
    ranges.push_back({at, count});
    if (total - at < count) break;
    at += count;
  }
  return ranges;
}

messages::JobSpec pages_job(const messages::ExtractPages& pages) {
  messages::JobSpec job;
  job.stage = "extract";
  job.op = "pages";
  job.units = pages.page_count;
  job.priority = messages::Priority::kBulk;
  job.payload = messages::encode(pages);
  return job;
}

EmbedBatches::EmbedBatches(messages::DocumentRef document, std::uint32_t total_pages, std::size_t most_bytes)
    : most_bytes_(most_bytes) {
  current_.document = std::move(document);
  current_.total_pages = total_pages;
}

void EmbedBatches::make_room(std::size_t bytes) {
  if (bytes_ > 0 && bytes_ + bytes > most_bytes_) flush();
  bytes_ += bytes;
}

void EmbedBatches::flush() {
  messages::JobSpec job;
  job.stage = "embed";
  job.op = "chunks";
  job.units = units_;
  job.payload = messages::encode(current_);
  jobs_.push_back(std::move(job));
  current_.pages.clear();
  current_.chunks.clear();
  bytes_ = 0;
  units_ = 0;
}

void EmbedBatches::add(messages::Page page, std::vector<messages::Chunk> chunks) {
  // Text and first chunk go together, so that a readable page is a searchable one.
  make_room(kFieldBytes + page.text.size() + (chunks.empty() ? 0 : size_of(chunks.front())));
  current_.pages.push_back(std::move(page));
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    if (i > 0) make_room(size_of(chunks[i]));
    current_.chunks.push_back(std::move(chunks[i]));
  }
  ++units_;
}

std::vector<messages::JobSpec> EmbedBatches::finish() {
  if (bytes_ > 0) flush();
  return std::exchange(jobs_, {});
}

}  // namespace answermill::extract
