#include "workers/embed/embed_stage.h"

#include <gtest/gtest.h>

#include <future>

#include "shared/messages/codec.h"
#include "shared/messages/documents.h"
#include "shared/messages/questions.h"
#include "workers/embed/hash_features.h"

namespace answermill::embed {
namespace {

class FakeHandle : public runtime::JobHandle {
 public:
  void emit_token(std::string_view) override {}
  void emit(messages::StreamEventKind, std::string) override {}
  void rewind(std::uint64_t) override {}
  std::uint64_t text_length() const override { return 0; }
  void progress(std::uint32_t) override {}
  bool cancelled() const override { return false; }
  void finish(messages::Outcome outcome) override { outcome_.set_value(std::move(outcome)); }

  std::promise<messages::Outcome> outcome_;
};

messages::Outcome run(runtime::Stage& stage, const std::string& op, std::string payload) {
  runtime::Job job;
  job.spec.id = "j";
  job.spec.op = op;
  job.spec.payload = std::move(payload);
  job.deadline = std::chrono::steady_clock::time_point::max();
  const auto handle = std::make_shared<FakeHandle>();
  stage.start(std::move(job), handle);
  return handle->outcome_.get_future().get();
}

TEST(EmbedStage, EmbedsChunksAndQueriesInOneSpace) {
  const auto embedder = make_builtin_embedder(2);
  const auto stage = make_embed_stage(*embedder, 4);
  EXPECT_EQ(stage->detail(), kHashModel);
  messages::EmbedChunks chunks;
  chunks.chunks.resize(3);
  for (auto& chunk : chunks.chunks) chunk.text = "How large is the barn?";
  const auto stored = run(*stage, "chunks", messages::encode(chunks));
  const auto upsert = messages::decode<messages::IndexUpsert>(stored.followups.at(0).payload);
  ASSERT_TRUE(upsert);
  EXPECT_EQ(upsert->vectors.size(), 3U * kHashDimension * 4);
  messages::EmbedQuery query;
  query.search.query = "How large is the barn?";
  const auto asked = run(*stage, "query", messages::encode(query));
  const auto search = messages::decode<messages::IndexSearch>(asked.followups.at(0).payload);
  ASSERT_TRUE(search);
  EXPECT_EQ(search->vector, upsert->vectors.substr(0, kHashDimension * 4));
  EXPECT_EQ(search->model, upsert->model);
}

TEST(EmbedStage, EmbedsTextsForTheirOwnSake) {
  const auto embedder = make_builtin_embedder(1);
  const auto stage = make_embed_stage(*embedder, 1);
  const auto outcome =
      run(*stage, "texts", messages::encode(messages::EmbedTexts{{"a barn", "a ship"}, false}));
  EXPECT_TRUE(outcome.ends_stream);
  ASSERT_EQ(outcome.events.size(), 1U);
  EXPECT_EQ(outcome.events[0].kind, messages::StreamEventKind::kResult);
  const auto made = messages::decode<messages::EmbeddedTexts>(outcome.events[0].data);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->model, kHashModel);
  EXPECT_EQ(made->dimension, kHashDimension);
  EXPECT_EQ(made->vectors.size(), 2U * kHashDimension * 4);
}

TEST(EmbedStage, RefusesWhatItDoesNotUnderstand) {
  const auto embedder = make_builtin_embedder(1);
  const auto stage = make_embed_stage(*embedder, 1);
  EXPECT_EQ(run(*stage, "chunks", "junk").code, ErrorCode::kMalformed);
  EXPECT_EQ(run(*stage, "nonsense", "").code, ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace answermill::embed
