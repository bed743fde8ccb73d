#include "frontend/server/api/ingest_progress.h"

#include <gtest/gtest.h>

#include "shared/messages/codec.h"
#include "shared/messages/documents.h"

namespace answermill::frontend {
namespace {

messages::GroupProgress progress_of(std::uint64_t total, std::uint64_t indexed, std::int64_t characters) {
  messages::GroupProgress progress;
  progress.stages = {{"extract", indexed, total}, {"embed", indexed, total}, {"index", indexed, total}};
  progress.counters = {{messages::kCounterCharacters, characters}, {messages::kCounterChunks, 7}};
  return progress;
}

messages::JobFailure lost_pages(std::uint32_t first, std::uint32_t count) {
  messages::ExtractPages pages;
  pages.first_page = first;
  pages.page_count = count;
  return {"j", "extract", "pages", ErrorCode::kCrashed, "The parser died.", count, messages::encode(pages)};
}

TEST(IngestOutcome, IsReadyWithEveryPage) {
  const auto outcome = outcome_of(progress_of(10, 10, 5000));
  EXPECT_EQ(outcome.state, DocumentState::kReady);
  EXPECT_EQ(outcome.pages, (PageCounts{10, 10, 10, 10, 0}));
  EXPECT_EQ(outcome.chunks, 7U);
}

TEST(IngestOutcome, NamesThePagesThatWereLost) {
  auto progress = progress_of(10, 8, 5000);
  progress.failures = {lost_pages(4, 1), lost_pages(9, 1)};
  const auto outcome = outcome_of(progress);
  EXPECT_EQ(outcome.state, DocumentState::kReady);
  EXPECT_EQ(outcome.pages.failed, 2U);
  ASSERT_EQ(outcome.warnings.size(), 1U);
  EXPECT_EQ(outcome.warnings[0], (Warning{{4, 9}, ErrorCode::kCrashed, "The parser died."}));
}

TEST(IngestOutcome, FailsWithThePlan) {
  messages::GroupProgress progress;
  progress.failures = {{"j", "extract", "plan", ErrorCode::kEncrypted, "It needs a password.", 0, {}}};
  const auto outcome = outcome_of(progress);
  EXPECT_EQ(outcome.state, DocumentState::kFailed);
  EXPECT_EQ(outcome.error, (Error{ErrorCode::kEncrypted, "It needs a password."}));
}

TEST(IngestOutcome, FailsWhenEveryPageFailed) {
  auto progress = progress_of(2, 0, 0);
  progress.failures = {lost_pages(1, 2)};
  EXPECT_EQ(outcome_of(progress).error.code, ErrorCode::kCrashed);
}

TEST(IngestOutcome, SaysWhenThereIsNoText) {
  EXPECT_EQ(outcome_of(progress_of(3, 3, 0)).error.code, ErrorCode::kNoText);
}

TEST(IngestView, ShowsProgressOfRunningDocumentsOnly) {
  DocumentRow row;
  const auto running = view_of(row, progress_of(10, 5, 1));
  EXPECT_EQ(running.row.state, DocumentState::kProcessing);
  EXPECT_DOUBLE_EQ(running.progress, 0.5);
  row.state = DocumentState::kDeleting;
  EXPECT_EQ(view_of(row, progress_of(10, 5, 1)).row.state, DocumentState::kDeleting);
}

}  // namespace
}  // namespace answermill::frontend
