#include "workers/embed/ops.h"

#include <gtest/gtest.h>

#include "shared/messages/codec.h"

namespace answermill::embed {
namespace {

messages::EmbedChunks chunks(std::size_t count) {
  messages::EmbedChunks work;
  work.document.id = "d";
  work.document.collection = "c";
  work.total_pages = 9;
  work.pages = {{1, "page text"}};
  for (std::size_t i = 0; i < count; ++i) {
    work.chunks.push_back({"d.1." + std::to_string(i + 1), 1, static_cast<std::uint32_t>(i + 1), 0, 4, "Head",
                           "paragraph", "text"});
  }
  return work;
}

TEST(EmbedOps, PutsTheHeadingBeforeTheText) {
  auto work = chunks(2);
  work.chunks[1].heading.clear();
  EXPECT_EQ(texts_of(work), (std::vector<std::string>{"Head\ntext", "text"}));
}

TEST(EmbedOps, HandsChunksOnToTheIndex) {
  messages::JobSpec spec;
  spec.units = 3;
  const auto outcome = after_chunks(spec, chunks(2), "m", {1, 0, 0, 1});
  ASSERT_EQ(outcome.followups.size(), 1U);
  const auto& next = outcome.followups[0];
  EXPECT_EQ(next.stage, "index");
  EXPECT_EQ(next.op, "upsert");
  EXPECT_EQ(next.routing_key, "c");
  EXPECT_EQ(next.units, 3U);
  const auto upsert = messages::decode<messages::IndexUpsert>(next.payload);
  ASSERT_TRUE(upsert);
  EXPECT_EQ(upsert->dimension, 2U);
  EXPECT_EQ(upsert->model, "m");
  EXPECT_EQ(upsert->vectors, std::string("\0\0\x80\x3f\0\0\0\0\0\0\0\0\0\0\x80\x3f", 16));
  EXPECT_EQ(upsert->pages.size(), 1U);
}

TEST(EmbedOps, PagesWithoutChunksStillGoOn) {
  messages::JobSpec spec;
  spec.units = 1;
  const auto outcome = after_chunks(spec, chunks(0), "m", {});
  ASSERT_EQ(outcome.followups.size(), 1U);
  EXPECT_EQ(outcome.followups[0].units, 1U);
  EXPECT_EQ(messages::decode<messages::IndexUpsert>(outcome.followups[0].payload)->pages.size(), 1U);
}

TEST(EmbedOps, SplitsWhatOneMessageCannotCarry) {
  messages::JobSpec spec;
  spec.units = 2;
  constexpr std::size_t kDimension = 3072;
  const auto outcome = after_chunks(spec, chunks(1000), "m", std::vector<float>(1000 * kDimension));
  std::size_t total = 0;
  std::uint32_t units = 0;
  for (const auto& next : outcome.followups) {
    EXPECT_LT(next.payload.size(), messages::kMaxMessageBytes / 2);
    const auto upsert = messages::decode<messages::IndexUpsert>(next.payload);
    EXPECT_EQ(upsert->vectors.size(), upsert->chunks.size() * kDimension * 4);
    total += upsert->chunks.size();
    units += next.units;
  }
  EXPECT_GT(outcome.followups.size(), 1U);
  EXPECT_EQ(total, 1000U);
  EXPECT_EQ(units, 2U);
}

TEST(EmbedOps, ShortFollowUpsCarryTheQuestionBefore) {
  messages::SearchRequest search;
  search.query = "And in 2019?";
  EXPECT_EQ(query_text(search), "And in 2019?");
  search.answer.emplace();
  search.answer->history = {{"user", "What was the revenue of 3M?"}, {"assistant", "5 [1]"}};
  EXPECT_EQ(query_text(search), "What was the revenue of 3M?\nAnd in 2019?");
  search.query = "Which products does the health care segment of the company sell in Europe?";
  EXPECT_EQ(query_text(search), search.query);
}

TEST(EmbedOps, HandsTheQueryOnToTheIndex) {
  messages::EmbedQuery query;
  query.search.collection = "c";
  query.search.query = "short";
  const auto outcome = after_query(query, "before\nshort", "m", {0.5F});
  const auto search = messages::decode<messages::IndexSearch>(outcome.followups.at(0).payload);
  EXPECT_EQ(outcome.followups[0].op, "search");
  EXPECT_EQ(outcome.followups[0].routing_key, "c");
  EXPECT_EQ(search->search.query, "before\nshort");
  EXPECT_EQ(search->dimension, 1U);
}

}  // namespace
}  // namespace answermill::embed
