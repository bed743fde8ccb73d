#include "workers/index/index_stage.h"

#include <gtest/gtest.h>

#include <future>

#include "shared/messages/codec.h"
#include "tests/unit/index/index_fixture.h"

namespace answermill::index {
namespace {

using messages::Outcome;
using messages::OutcomeStatus;

class FakeHandle final : public runtime::JobHandle {
 public:
  explicit FakeHandle(bool cancelled = false) : cancelled_(cancelled) {}
  void emit_token(std::string_view) override {}
  void emit(messages::StreamEventKind, std::string) override {}
  void rewind(std::uint64_t) override {}
  std::uint64_t text_length() const override { return 0; }
  void progress(std::uint32_t) override {}
  bool cancelled() const override { return cancelled_; }
  void finish(Outcome outcome) override { outcome_.set_value(std::move(outcome)); }
  std::future<Outcome> outcome() { return outcome_.get_future(); }

 private:
  bool cancelled_;
  std::promise<Outcome> outcome_;
};

class IndexStageTest : public ::testing::Test {
 protected:
  void SetUp() override { restart(); }

  void restart() {
    stage_.reset();
    IndexConfig config;
    config.root = folder_.path() / "index";
    stage_ = std::make_unique<IndexStage>(config);
  }

  std::future<Outcome> start(const std::string& op, std::string payload, std::uint64_t epoch = 1,
                             bool cancelled = false) {
    runtime::Job job;
    job.spec.stage = "index";
    job.spec.op = op;
    job.spec.routing_key = "c";
    job.spec.payload = std::move(payload);
    job.owner_epoch = epoch;
    auto handle = std::make_shared<FakeHandle>(cancelled);
    auto outcome = handle->outcome();
    stage_->start(std::move(job), handle);
    return outcome;
  }

  messages::SourcesEvent search(const std::string& query) {
    const Outcome outcome = start("search", messages::encode(search_of(query))).get();
    EXPECT_EQ(outcome.status, OutcomeStatus::kDone);
    EXPECT_TRUE(outcome.ends_stream);
    EXPECT_EQ(outcome.events.size(), 1U);
    EXPECT_EQ(outcome.events.at(0).kind, messages::StreamEventKind::kResult);
    return *messages::decode<messages::SourcesEvent>(outcome.events.at(0).data);
  }

  TemporaryFolder folder_;
  std::unique_ptr<IndexStage> stage_;
};

const std::string kText = "The melting point of tungsten is 3422 degrees";

TEST_F(IndexStageTest, CommitsManyUpsertsAndFindsThemAfterARestart) {
  std::vector<std::future<Outcome>> outcomes;
  for (std::uint32_t page = 1; page <= 30; ++page) {
    outcomes.push_back(
        start("upsert", messages::encode(upsert_of("d", page, {kText + " page" + std::to_string(page)}))));
  }
  for (auto& outcome : outcomes) EXPECT_EQ(outcome.get().status, OutcomeStatus::kDone);
  EXPECT_EQ(search("tungsten page17").passages.at(0).page, 17U);
  restart();
  EXPECT_EQ(search("tungsten page17").passages.at(0).page, 17U);
}

TEST_F(IndexStageTest, UnknownCollectionIsEmptyAndLeavesNoFolder) {
  const auto sources = search("anything");
  EXPECT_TRUE(sources.passages.empty());
  EXPECT_EQ(sources.coverage.pages, 0U);
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "index" / "c"));
}

TEST_F(IndexStageTest, HandsAQuestionOnToGenerate) {
  ASSERT_EQ(start("upsert", messages::encode(upsert_of("d", 1, {kText}))).get().status, OutcomeStatus::kDone);
  auto request = search_of("melting point of tungsten");
  request.search.answer.emplace();
  request.search.answer->question = "melting point of tungsten";
  const Outcome outcome = start("search", messages::encode(request)).get();
  EXPECT_FALSE(outcome.ends_stream);
  ASSERT_EQ(outcome.events.size(), 2U);
  EXPECT_EQ(outcome.events[0].kind, messages::StreamEventKind::kSources);
  EXPECT_EQ(outcome.events[1].kind, messages::StreamEventKind::kStatus);
  ASSERT_EQ(outcome.followups.size(), 1U);
  EXPECT_EQ(outcome.followups[0].stage, "generate");
  EXPECT_EQ(outcome.followups[0].op, "answer");
  const auto answer = messages::decode<messages::GenerateAnswer>(outcome.followups[0].payload);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->request.question, "melting point of tungsten");
  EXPECT_EQ(answer->sources.passages.at(0).text, kText);
  EXPECT_EQ(answer->collection, "c");
}

TEST_F(IndexStageTest, DeleteCancelsGroupsAndIsRecorded) {
  ASSERT_EQ(start("upsert", messages::encode(upsert_of("d", 1, {kText}))).get().status, OutcomeStatus::kDone);
  auto request = delete_of("d");
  request.groups = {"g"};
  const Outcome outcome = start("delete", messages::encode(request)).get();
  EXPECT_EQ(outcome.cancel_groups, std::vector<std::string>{"g"});
  ASSERT_EQ(outcome.followups.size(), 1U);
  EXPECT_EQ(outcome.followups[0].stage, "record");
  EXPECT_EQ(outcome.followups[0].op, "delete");
  EXPECT_EQ(messages::decode<messages::RecordDelete>(outcome.followups[0].payload)->document.id, "d");
  EXPECT_TRUE(search("tungsten").passages.empty());
}

TEST_F(IndexStageTest, DropEmptiesTheCollection) {
  ASSERT_EQ(start("upsert", messages::encode(upsert_of("d", 1, {kText}))).get().status, OutcomeStatus::kDone);
  const Outcome outcome = start("drop", messages::encode(messages::IndexDrop{"c", {"g"}})).get();
  EXPECT_EQ(outcome.cancel_groups, std::vector<std::string>{"g"});
  ASSERT_EQ(outcome.followups.size(), 1U);
  EXPECT_EQ(outcome.followups[0].op, "drop");
  EXPECT_EQ(search("tungsten").coverage.documents, 0U);
}

TEST_F(IndexStageTest, ReadsAPage) {
  ASSERT_EQ(start("upsert", messages::encode(upsert_of("d", 2, {kText}))).get().status, OutcomeStatus::kDone);
  const Outcome outcome = start("page", messages::encode(messages::ReadPage{"c", "d", 2})).get();
  EXPECT_TRUE(outcome.ends_stream);
  const auto page = messages::decode<messages::PageText>(outcome.events.at(0).data);
  EXPECT_TRUE(page->found);
  EXPECT_EQ(page->text, kText + "\n");
}

TEST_F(IndexStageTest, RefusesWhatItCannotRead) {
  for (const char* op : {"upsert", "delete", "drop", "search", "page"}) {
    const Outcome outcome = start(op, "\xc1 not msgpack").get();
    EXPECT_EQ(outcome.status, OutcomeStatus::kFailed) << op;
    EXPECT_FALSE(outcome.retryable) << op;
  }
  EXPECT_EQ(start("dance", "").get().code, ErrorCode::kInvalidArgument);
}

TEST_F(IndexStageTest, StaleOwnerIsFenced) {
  ASSERT_EQ(start("upsert", messages::encode(upsert_of("d", 1, {kText})), 7).get().status,
            OutcomeStatus::kDone);
  const Outcome outcome = start("upsert", messages::encode(upsert_of("d", 2, {kText})), 6).get();
  EXPECT_EQ(outcome.code, ErrorCode::kFenced);
  EXPECT_TRUE(outcome.retryable);
}

TEST_F(IndexStageTest, CancelledJobWritesNothing) {
  start("upsert", messages::encode(upsert_of("d", 1, {kText})), 1, true).get();
  EXPECT_EQ(search("tungsten").coverage.documents, 0U);
}

TEST_F(IndexStageTest, FinishesWhatItHoldsWhenStopped) {
  std::vector<std::future<Outcome>> outcomes;
  for (std::uint32_t page = 1; page <= 20; ++page) {
    outcomes.push_back(start("upsert", messages::encode(upsert_of("d", page, {kText}))));
  }
  stage_.reset();
  for (auto& outcome : outcomes) EXPECT_EQ(outcome.get().status, OutcomeStatus::kDone);
}

}  // namespace
}  // namespace answermill::index
