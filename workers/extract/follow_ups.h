// What extraction asks for next, as pure functions: page ranges of a plan, and embed jobs of extracted pages.
//
// Thread: pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shared/messages/documents.h"
#include "shared/messages/jobs.h"

namespace answermill::extract {

struct PageRange {
  std::uint32_t first = 1;
  std::uint32_t count = 0;
};

// Covers 1…total in order: a short first range, so that something is searchable at once, then eight pages
// each, or more when a document would need over 512 ranges.
std::vector<PageRange> plan_ranges(std::uint32_t total);

messages::JobSpec pages_job(const messages::ExtractPages& pages);

// Packs pages and their chunks into embed/chunks jobs of at most `most_bytes` of payload each (a page's own
// text, which is limited, may stand alone in a larger one). A page's text travels with its first chunk; a
// job's units are the pages whose last chunk it carries, so that over all jobs they add up to the pages
// given.
class EmbedBatches {
 public:
  EmbedBatches(messages::DocumentRef document, std::uint32_t total_pages,
               std::size_t most_bytes = 180U << 10U);

  void add(messages::Page page, std::vector<messages::Chunk> chunks);
  std::vector<messages::JobSpec> finish();

 private:
  void make_room(std::size_t bytes);
  void flush();

  std::size_t most_bytes_;
  messages::EmbedChunks current_;
  std::size_t bytes_ = 0;
  std::uint32_t units_ = 0;
  std::vector<messages::JobSpec> jobs_;
};

}  // namespace answermill::extract
