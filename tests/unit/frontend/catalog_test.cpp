#include "frontend/server/catalog/catalog.h"

#include <gtest/gtest.h>

#include "frontend/server/api/record_stage.h"
#include "shared/messages/codec.h"
#include "shared/messages/documents.h"
#include "tests/unit/frontend/fakes.h"

namespace answermill::frontend {
namespace {

DocumentRow document(const std::string& id, const std::string& blob,
                     const std::string& collection = "default") {
  DocumentRow row;
  row.id = id;
  row.name = id + ".pdf";
  row.collection = collection;
  row.blob = blob;
  row.created_ms = 5;
  return row;
}

NewQuestion question(const std::string& text, const std::string& stream) {
  NewQuestion asked;
  asked.question = text;
  asked.stream = stream;
  asked.now_ms = 10;
  return asked;
}

messages::StreamState finished(const std::string& text) {
  messages::TerminalEvent terminal;
  terminal.length = text.size();
  messages::StreamState state;
  state.text = text;
  state.events = {{1, 3, messages::StreamEventKind::kToken, 0, text},
                  {4, 4, messages::StreamEventKind::kTerminal, 0, messages::encode(terminal)}};
  state.next_seq = 5;
  return state;
}

class CatalogTest : public testing::Test {
 protected:
  test::World world_;
  Catalog& catalog_ = *world_.catalog;
};

TEST_F(CatalogTest, OpensTwiceAndKeepsItsRows) {
  const std::string blob = *world_.blobs->put("x");
  ASSERT_TRUE(catalog_.insert_document(document("a", blob)));
  const auto again = Catalog::open((world_.folder / "catalog.sqlite").string(), *world_.blobs, 2);
  ASSERT_TRUE(again);
  EXPECT_EQ((*again)->document("a")->name, "a.pdf");
}

TEST_F(CatalogTest, KnowsCollections) {
  EXPECT_EQ(catalog_.collections()->size(), 1U);
  EXPECT_TRUE(catalog_.create_collection("law", 1));
  EXPECT_EQ(catalog_.create_collection("law", 1).error().code, ErrorCode::kConflict);
  EXPECT_EQ(catalog_.create_collection("../law", 1).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(catalog_.create_collection(".law", 1).error().code, ErrorCode::kInvalidArgument);
  ASSERT_TRUE(catalog_.insert_document(document("a", *world_.blobs->put("x"), "fresh")));
  EXPECT_EQ(catalog_.collection("fresh")->documents, 1U);
  EXPECT_EQ(catalog_.collection("none").error().code, ErrorCode::kNotFound);
}

TEST_F(CatalogTest, FinishesOnlyTheGenerationThatWaits) {
  ASSERT_TRUE(catalog_.insert_document(document("a", *world_.blobs->put("x"))));
  DocumentOutcome lost;
  lost.state = DocumentState::kFailed;
  lost.error = {ErrorCode::kDamaged, "No."};
  ASSERT_TRUE(catalog_.finish_document("a", 2, lost, 9));
  EXPECT_EQ(catalog_.document("a")->state, DocumentState::kQueued);
  ASSERT_TRUE(catalog_.finish_document("a", 1, lost, 9));
  EXPECT_EQ(catalog_.document("a")->error.message, "No.");

  EXPECT_EQ(catalog_.retry_document("a")->generation, 2U);
  EXPECT_EQ(catalog_.retry_document("a").error().code, ErrorCode::kConflict);
  DocumentOutcome won;
  won.pages = {3, 3, 2, 2, 1};
  won.warnings = {{{2}, ErrorCode::kCrashed, "It died."}};
  ASSERT_TRUE(catalog_.finish_document("a", 2, won, 10));
  ASSERT_TRUE(catalog_.finish_document("a", 2, lost, 11));  // the record job again, otherwise
  const auto row = catalog_.document("a");
  EXPECT_EQ(row->state, DocumentState::kReady);
  EXPECT_EQ(row->warnings, won.warnings);
  EXPECT_EQ(row->pages, won.pages);
  EXPECT_EQ(row->finished_ms, 10);
}

TEST_F(CatalogTest, RemovesABlobWithItsLastDocument) {
  const std::string blob = *world_.blobs->put("same");
  ASSERT_TRUE(catalog_.insert_document(document("a", blob)));
  ASSERT_TRUE(catalog_.insert_document(document("b", blob)));
  ASSERT_TRUE(catalog_.finish_delete("a"));  // nobody asked for it
  EXPECT_TRUE(catalog_.document("a"));
  EXPECT_EQ(catalog_.begin_delete("a")->generation, 2U);
  EXPECT_EQ(catalog_.begin_delete("a")->generation, 2U);
  ASSERT_TRUE(catalog_.finish_delete("a"));
  ASSERT_TRUE(catalog_.finish_delete("a"));
  EXPECT_EQ(catalog_.document("a").error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(world_.blobs->open(blob));
  ASSERT_TRUE(catalog_.begin_delete("b"));
  ASSERT_TRUE(catalog_.finish_delete("b"));
  EXPECT_FALSE(world_.blobs->open(blob));
  EXPECT_EQ(catalog_.insert_document(document("c", blob)).error().code, ErrorCode::kConflict);
}

TEST_F(CatalogTest, DropsACollection) {
  ASSERT_TRUE(catalog_.insert_document(document("a", *world_.blobs->put("x"), "law")));
  const auto drop = catalog_.begin_drop("law", "one");
  EXPECT_EQ(drop->groups, std::vector<std::string>{"a.1"});
  EXPECT_EQ(catalog_.begin_drop("law", "two")->id, "one");
  EXPECT_EQ(catalog_.insert_document(document("b", *world_.blobs->put("y"), "law")).error().code,
            ErrorCode::kConflict);
  EXPECT_EQ(catalog_.unfinished_drops()->size(), 1U);
  ASSERT_TRUE(catalog_.finish_drop("law"));
  EXPECT_FALSE(catalog_.collection("law"));
  ASSERT_TRUE(catalog_.begin_drop("default", "three"));
  ASSERT_TRUE(catalog_.finish_drop("default"));
  EXPECT_TRUE(catalog_.collection("default"));
}

TEST_F(CatalogTest, KeepsWhatAQuestionWasSubmittedAsUntilItsAnswerIsSettled) {
  const auto submission = [](const StartedQuestion& started) { return "ask " + started.question; };
  for (const char* stream : {"s1", "s2", "s3"}) {
    ASSERT_TRUE(catalog_.begin_question(question("Why?", stream), submission));
  }
  ASSERT_TRUE(catalog_.begin_question(question("Bare?", "s4")));
  const auto asked_ms = question("", "").now_ms;
  EXPECT_TRUE(catalog_.unsettled_answers(asked_ms, 10)->empty());
  const auto open = catalog_.unsettled_answers(asked_ms + 1, 10);
  ASSERT_EQ(open->size(), 4U);
  EXPECT_EQ(open->front().submission, "ask Why?");
  EXPECT_EQ(open->back().submission, "");
  EXPECT_EQ(catalog_.unsettled_answers(asked_ms + 1, 2)->size(), 2U);
  ASSERT_TRUE(catalog_.finish_answer({"", "default", "Why?", "s1", 10}, finished("So."), 20));
  ASSERT_TRUE(catalog_.refuse_answer("s2", {ErrorCode::kBusy, "later"}));
  const auto left = catalog_.unsettled_answers(asked_ms + 1, 10);
  ASSERT_EQ(left->size(), 2U);
  EXPECT_EQ(left->front().stream, "s3");
}

TEST_F(CatalogTest, NotesQuestionsAndAnswers) {
  const auto first = catalog_.begin_question(question("What is it?", "s1"));
  ASSERT_TRUE(first);
  EXPECT_TRUE(first->history.empty());
  const messages::RecordAnswer record{first->conversation, "default", "What is it?", "s1", 10};
  ASSERT_TRUE(catalog_.finish_answer(record, finished("It is this."), 20));
  ASSERT_TRUE(catalog_.finish_answer(record, finished("Something else."), 21));  // recorded once only
  const auto answer = catalog_.answer_of_stream("s1");
  EXPECT_EQ(answer->text, "It is this.");
  EXPECT_EQ(answer->status, MessageStatus::kDone);
  EXPECT_EQ(answer->state.next_seq, 5U);

  auto next = question("And then?", "s2");
  next.conversation = first->conversation;
  const auto second = catalog_.begin_question(next);
  ASSERT_EQ(second->history.size(), 2U);
  EXPECT_EQ(second->history[0].text, "What is it?");
  EXPECT_EQ(second->history[1].role, "assistant");
  EXPECT_EQ(catalog_.messages_of(first->conversation)->size(), 4U);
  EXPECT_EQ(catalog_.conversations("")->front().title, "What is it?");
  EXPECT_TRUE(catalog_.conversations("somebody")->empty());
  EXPECT_EQ(catalog_.conversation("somebody", first->conversation).error().code, ErrorCode::kNotFound);

  ASSERT_TRUE(catalog_.delete_conversation("", first->conversation));
  ASSERT_TRUE(catalog_.finish_answer({first->conversation, "default", "", "s2", 0}, finished("late"), 30));
  EXPECT_EQ(catalog_.answer_of_stream("s2").error().code, ErrorCode::kNotFound);
}

TEST_F(CatalogTest, ChecksWhatAQuestionNames) {
  auto asked = question("Q", "s1");
  asked.collection = "none";
  EXPECT_EQ(catalog_.begin_question(asked).error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(catalog_.conversations("")->empty());  // nothing is left of it
  asked.collections = NewQuestion::Collections::kUnknownIsEmpty;
  EXPECT_TRUE(catalog_.begin_question(asked));
  asked = question("Q", "s2");
  asked.conversation = "none";
  EXPECT_EQ(catalog_.begin_question(asked).error().code, ErrorCode::kNotFound);
  asked.conversations = NewQuestion::Conversations::kMake;
  EXPECT_EQ(catalog_.begin_question(asked)->conversation, "none");
}

TEST_F(CatalogTest, AsksOnceForARequestId) {
  auto asked = question("Q", "s1");
  asked.request_id = "r";
  EXPECT_FALSE(catalog_.begin_question(asked)->repeated);
  asked.stream = "s2";
  const auto again = catalog_.begin_question(asked);
  EXPECT_TRUE(again->repeated);
  EXPECT_EQ(again->stream, "s1");
  asked.question = "Another";
  EXPECT_EQ(catalog_.begin_question(asked).error().code, ErrorCode::kConflict);
}

TEST_F(CatalogTest, RefusesAnAnswerThatNeverStarted) {
  ASSERT_TRUE(catalog_.begin_question(question("Q", "s1")));
  ASSERT_TRUE(catalog_.refuse_answer("s1", {ErrorCode::kUnavailable, "Away."}));
  EXPECT_EQ(catalog_.answer_of_stream("s1")->status, MessageStatus::kFailed);
  EXPECT_EQ(answer_of(*catalog_.answer_of_stream("s1")).error.message, "Away.");
}

TEST_F(CatalogTest, RecordsJobsOfItsStage) {
  const auto row = document("a", *world_.blobs->put("x"));
  ASSERT_TRUE(catalog_.insert_document(row));
  messages::GroupProgress progress;
  progress.stages = {{"extract", 2, 2}, {"embed", 2, 2}, {"index", 2, 2}};
  progress.counters = {{messages::kCounterCharacters, 100}};
  bus::Job job;
  job.spec.op = "document";
  job.spec.payload =
      messages::encode(messages::RecordDocument{{"a", 1, "default", "a.pdf", row.blob, 1, ""}});
  EXPECT_EQ(record(catalog_, job, 9).code, ErrorCode::kMalformed);  // without its attachment
  job.attachment = messages::encode(progress);
  EXPECT_EQ(record(catalog_, job, 9).status, messages::OutcomeStatus::kDone);
  EXPECT_EQ(catalog_.document("a")->state, DocumentState::kReady);

  const auto deleting = catalog_.begin_delete("a");
  job.spec.op = "delete";
  job.spec.payload = messages::encode(messages::RecordDelete{{"a", deleting->generation, "", "", "", 0, ""}});
  progress.failures = {{"j", "index", "delete", ErrorCode::kDiskFull, "Full.", 0, {}}};
  job.attachment = messages::encode(progress);
  EXPECT_EQ(record(catalog_, job, 9).status, messages::OutcomeStatus::kDone);
  EXPECT_EQ(catalog_.document("a")->error.code, ErrorCode::kDiskFull);
  ASSERT_TRUE(catalog_.begin_delete("a"));
  job.attachment.clear();
  EXPECT_EQ(record(catalog_, job, 9).status, messages::OutcomeStatus::kDone);
  EXPECT_FALSE(catalog_.document("a"));
  job.spec.op = "nonsense";
  EXPECT_EQ(record(catalog_, job, 9).retryable, false);
}

}  // namespace
}  // namespace answermill::frontend
