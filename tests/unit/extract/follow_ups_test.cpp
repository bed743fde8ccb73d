#include "workers/extract/follow_ups.h"

#include <gtest/gtest.h>

#include "shared/messages/codec.h"

namespace answermill::extract {
namespace {

TEST(FollowUps, RangesCoverEveryPageOnce) {
  for (const std::uint32_t total :
       {0U, 1U, 2U, 3U, 10U, 11U, 190U, 1600U, 4090U, 4091U, 50'000U, 1'000'000U}) {
    std::uint32_t next = 1;
    const auto ranges = plan_ranges(total);
    for (const auto& range : ranges) {
      ASSERT_EQ(range.first, next);
      ASSERT_GT(range.count, 0U);
      next += range.count;
    }
    EXPECT_EQ(next, total + 1);
    EXPECT_LE(ranges.size(), 512U);
    if (total > 2) {
      EXPECT_EQ(ranges.front().count, 2U) << "something is searchable at once";
    }
  }
}

messages::Chunk chunk_of(std::uint32_t page, std::uint32_t ordinal, std::size_t bytes) {
  messages::Chunk chunk;
  chunk.page = page;
  chunk.ordinal = ordinal;
  chunk.text = std::string(bytes, 'x');
  return chunk;
}

TEST(FollowUps, BatchesStaySmallAndCountEveryPageOnce) {
  messages::DocumentRef document;
  document.id = "d";
  EmbedBatches batches(document, 9, 20'000);
  std::size_t chunks_given = 0;
  for (std::uint32_t page = 1; page <= 9; ++page) {
    std::vector<messages::Chunk> chunks;
    const std::uint32_t count = page == 5 ? 0 : page * 3;
    for (std::uint32_t i = 1; i <= count; ++i) chunks.push_back(chunk_of(page, i, 1000));
    chunks_given += count;
    batches.add({page, std::string(page * 1000, 'x')}, std::move(chunks));
  }
  std::uint32_t units = 0;
  std::size_t chunks_seen = 0;
  std::uint32_t pages_seen = 0;
  std::uint32_t pages_complete = 0;
  for (const auto& job : batches.finish()) {
    EXPECT_EQ(job.stage, "embed");
    EXPECT_EQ(job.op, "chunks");
    EXPECT_LE(job.payload.size(), 20'000U);
    const auto payload = messages::decode<messages::EmbedChunks>(job.payload);
    ASSERT_TRUE(payload);
    EXPECT_EQ(payload->total_pages, 9U);
    EXPECT_EQ(payload->document.id, "d");
    for (const auto& page : payload->pages) {
      ++pages_seen;
      if (page.number == 5) continue;
      bool with_first_chunk = false;
      for (const auto& chunk : payload->chunks) {
        with_first_chunk = with_first_chunk || (chunk.page == page.number && chunk.ordinal == 1);
      }
      EXPECT_TRUE(with_first_chunk) << "page " << page.number;
    }
    for (const auto& chunk : payload->chunks) pages_complete += chunk.ordinal == chunk.page * 3 ? 1 : 0;
    chunks_seen += payload->chunks.size();
    units += job.units;
    EXPECT_EQ(units, pages_complete + (pages_seen >= 5 ? 1 : 0))
        << "a page counts when its last chunk is there";
  }
  EXPECT_EQ(units, 9U);
  EXPECT_EQ(pages_seen, 9U);
  EXPECT_EQ(chunks_seen, chunks_given);
}

}  // namespace
}  // namespace answermill::extract
