// Native, /ws/stream and SSE against fakes of everything below them.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>

#include "frontend/server/api/answer_stream.h"
#include "frontend/server/api/native_session.h"
#include "frontend/server/api/ws_stream_session.h"
#include "frontend/server/dialects/sse.h"
#include "shared/messages/codec.h"
#include "shared/messages/documents.h"
#include "tests/unit/frontend/fakes.h"

namespace answermill::frontend {
namespace {

using messages::StreamEventKind;

std::string done_event(messages::Terminal outcome = messages::Terminal::kDone) {
  messages::TerminalEvent terminal;
  terminal.outcome = outcome;
  return messages::encode(terminal);
}

// The value of a string field, by eye: goldens are in dialects_test.
std::string field(const std::string& json, const std::string& name) {
  const auto at = json.find("\"" + name + "\":\"");
  if (at == std::string::npos) return {};
  const auto begin = at + name.size() + 4;
  return json.substr(begin, json.find('"', begin) - begin);
}

class SessionsTest : public testing::Test {
 protected:
  test::World world_;
  DocumentService documents_{*world_.services};
  QuestionService questions_{*world_.services};
  FleetWatch fleet_{*world_.services};
  WsStreamCounters counters_;
  Answers answers_;
  std::shared_ptr<test::FakeSocket> socket_ = std::make_shared<test::FakeSocket>();

  std::unique_ptr<NativeSession> native() {
    auto session = std::make_unique<NativeSession>(
        NativeContext{*world_.services, documents_, questions_, fleet_}, socket_);
    session->on_open();
    socket_->sent.clear();
    return session;
  }
  std::unique_ptr<WsStreamSession> ws_stream(std::optional<std::string> course = std::nullopt) {
    auto session =
        std::make_unique<WsStreamSession>(WsStreamContext{*world_.services, questions_, fleet_, counters_},
                                          socket_, ws_stream::Identity{"u", course});
    session->on_open();
    socket_->sent.clear();
    return session;
  }
  AnswerContext context() { return {*world_.services, documents_, questions_, answers_}; }
  std::string type(std::size_t index) const { return field(socket_->sent.at(index), "type"); }
  std::string stream() const { return world_.hub.asked.back().stream->id; }
};

TEST_F(SessionsTest, NativeAsksAndStreams) {
  const auto session = native();
  session->on_text(R"({"type":"ask","id":"q1","question":"What?"})");
  world_.loop.run();
  ASSERT_EQ(socket_->sent.size(), 1U);
  EXPECT_EQ(type(0), "started");
  EXPECT_EQ(field(socket_->sent[0], "id"), "q1");
  EXPECT_EQ(field(socket_->sent[0], "stream"), stream());
  const auto& submitted = world_.hub.asked.back();
  EXPECT_EQ(submitted.job.request_id, stream());
  EXPECT_EQ(submitted.stream->completion.op, "answer");
  const auto query = messages::decode<messages::EmbedQuery>(submitted.job.payload);
  EXPECT_EQ(query->search.collection, "default");
  EXPECT_EQ(query->search.answer->question, "What?");

  world_.hub.emit(stream(), StreamEventKind::kToken, "Hello");
  world_.hub.emit(stream(), StreamEventKind::kTerminal, done_event());
  world_.loop.run();
  ASSERT_EQ(socket_->sent.size(), 3U);
  EXPECT_EQ(type(1), "token");
  EXPECT_EQ(type(2), "done");
  EXPECT_TRUE(world_.hub.viewers[stream()].empty());
}

TEST_F(SessionsTest, NativeAnswersARepeatedRequestOnce) {
  const auto session = native();
  session->on_text(R"({"type":"ask","id":"a","request_id":"r1","question":"What?"})");
  world_.loop.run();
  const std::string first = field(socket_->sent.at(0), "stream");
  const auto again = native();
  again->on_text(R"({"type":"ask","id":"b","request_id":"r1","question":"What?"})");
  world_.loop.run();
  EXPECT_EQ(field(socket_->sent.at(0), "stream"), first);
  EXPECT_EQ(world_.hub.asked.size(), 1U);
  again->on_text(R"({"type":"ask","id":"c","request_id":"r1","question":"Something else?"})");
  world_.loop.run();
  EXPECT_EQ(field(socket_->sent.back(), "code"), "conflict");
}

TEST_F(SessionsTest, NativePrefetchesOneAtATime) {
  const auto session = native();
  const auto answer = [&] {
    world_.loop.run();
    world_.hub.emit(stream(), StreamEventKind::kResult,
                    messages::encode(messages::SourcesEvent{{{}, {}}, {1, 1, 0, 0}, 2}));
    world_.hub.emit(stream(), StreamEventKind::kTerminal, done_event());
    world_.loop.run();
  };
  for (const char* text : {"wha", "what is", "what is it", "what is it?"}) {
    session->on_text(std::string(R"({"type":"prefetch","id":"p","question":")") + text + "\"}");
  }
  answer();
  EXPECT_EQ(field(socket_->sent.at(0), "question"), "wha");
  answer();
  ASSERT_EQ(socket_->sent.size(), 2U);
  EXPECT_EQ(type(1), "prefetched");
  EXPECT_EQ(field(socket_->sent.at(1), "question"), "what is it?");
  EXPECT_NE(socket_->sent.at(1).find(R"("passages":2)"), std::string::npos);
  session->on_text(R"({"type":"prefetch","id":"p","question":" "})");
  EXPECT_EQ(type(2), "error");
  EXPECT_EQ(world_.hub.asked.size(), 2U);
}

TEST_F(SessionsTest, NativeWaitsForASlowReader) {
  const auto session = native();
  session->on_text(R"({"type":"ask","id":"q","question":"What?"})");
  world_.loop.run();
  socket_->pending = kHighWaterBytes;
  world_.hub.emit(stream(), StreamEventKind::kToken, "a");
  world_.hub.emit(stream(), StreamEventKind::kToken, "b", 1);
  world_.loop.run();
  EXPECT_EQ(socket_->sent.size(), 1U);
  socket_->pending = 0;
  session->on_drain();
  EXPECT_EQ(socket_->sent.size(), 3U);
}

TEST_F(SessionsTest, NativeResumesFromTheHubAndFromTheCatalog) {
  const auto session = native();
  const std::string live = new_stream_id(random_id());
  world_.hub.emit(live, StreamEventKind::kToken, "ab");
  world_.hub.emit(live, StreamEventKind::kToken, "cd", 2);
  session->on_text(R"({"type":"resume","id":"r","stream":")" + live + R"(","after_seq":1})");
  world_.loop.run();
  ASSERT_EQ(socket_->sent.size(), 2U);
  EXPECT_NE(socket_->sent[0].find(R"("recovered":true,"after_seq":1)"), std::string::npos);
  EXPECT_EQ(field(socket_->sent[1], "text"), "cd");

  NewQuestion asked;
  asked.question = "Q";
  asked.stream = new_stream_id(random_id());
  ASSERT_TRUE(world_.catalog->begin_question(asked));
  session->on_text(R"({"type":"resume","id":"e","stream":")" + asked.stream + R"(","after_seq":1})");
  world_.loop.run();
  EXPECT_EQ(field(socket_->sent.back(), "code"), "unavailable") << "under way, and nobody here has it";
  EXPECT_NE(socket_->sent.back().find(R"("retryable":true)"), std::string::npos);
  messages::StreamState state;
  state.text = "kept";
  state.events = {{1, 1, StreamEventKind::kToken, 0, "kept"},
                  {2, 2, StreamEventKind::kTerminal, 0, done_event()}};
  state.next_seq = 3;
  ASSERT_TRUE(world_.catalog->finish_answer({"", "", "", asked.stream, 0}, state, 1));
  session->on_text(R"({"type":"resume","id":"c","stream":")" + asked.stream + R"(","after_seq":1})");
  world_.loop.run();
  EXPECT_NE(socket_->sent.back().find(R"("recovered":false,"status":"done","text":"kept")"),
            std::string::npos);
  EXPECT_NE(socket_->sent.back().find(R"("seq":2)"), std::string::npos);

  session->on_text(R"({"type":"resume","id":"x","stream":")" + new_stream_id(random_id()) +
                   R"(","after_seq":1})");
  world_.loop.run();
  EXPECT_EQ(field(socket_->sent.back(), "code"), "not_found");
}

TEST_F(SessionsTest, NativeSaysWhatIsWrong) {
  const auto session = native();
  session->on_text("{");
  session->on_text(R"({"type":"ask","id":"q","question":""})");
  session->on_text(R"({"type":"ask","id":"q","question":"Q","collection":"none"})");
  world_.loop.run();
  ASSERT_EQ(socket_->sent.size(), 3U);
  EXPECT_EQ(field(socket_->sent[0], "code"), "malformed");
  EXPECT_EQ(field(socket_->sent[1], "code"), "invalid_argument");
  EXPECT_EQ(field(socket_->sent[2], "code"), "not_found");
  EXPECT_TRUE(world_.hub.asked.empty());
}

TEST_F(SessionsTest, NativeUploadsWatchesAndDeletes) {
  documents_.start();
  const auto session = native();
  session->on_text(R"({"type":"watch"})");
  session->on_text(R"({"type":"upload_begin","id":"u","name":"../a.txt","size":5})");
  world_.loop.run();
  EXPECT_EQ(type(0), "upload_ready");
  EXPECT_EQ(type(1), "documents");
  session->on_binary(std::string("\0\0\0\1hel", 7));
  session->on_binary(std::string("\0\0\0\1lo", 6));
  session->on_text(R"({"type":"upload_end","id":"u"})");
  world_.loop.run();
  EXPECT_EQ(type(2), "upload_ack");
  EXPECT_EQ(type(3), "document");
  EXPECT_EQ(type(4), "uploaded");
  EXPECT_EQ(field(socket_->sent[4], "name"), "a.txt");

  ASSERT_EQ(world_.bus.submitted.size(), 1U);
  const auto plan = world_.bus.submitted[0];
  EXPECT_EQ(plan.job.stage, "extract");
  EXPECT_EQ(*world_.blobs->read(messages::decode<messages::ExtractPlan>(plan.job.payload)->document.blob),
            "hello");
  messages::GroupProgress progress;
  progress.group = plan.group->id;
  progress.subject = plan.group->subject;
  progress.generation = 1;
  progress.stages = {{"extract", 1, 2}};
  world_.bus.progress(progress);
  world_.loop.advance(std::chrono::milliseconds(100));
  EXPECT_NE(socket_->sent.back().find(R"("state":"processing")"), std::string::npos);

  bool removed = false;
  documents_.remove(progress.subject, [&](const Result<bool>& outcome) { removed = *outcome; });
  world_.loop.run();
  const auto deletion = world_.bus.submitted.back();
  EXPECT_EQ(deletion.job.op, "delete");
  EXPECT_EQ(messages::decode<messages::IndexDelete>(deletion.job.payload)->groups,
            std::vector<std::string>{progress.subject + ".1"});
  EXPECT_FALSE(removed);
  ASSERT_TRUE(world_.catalog->finish_delete(progress.subject));
  progress.group = deletion.group->id;
  progress.state = messages::GroupState::kDone;
  world_.bus.progress(progress);
  world_.loop.run();
  EXPECT_TRUE(removed);
  EXPECT_EQ(type(socket_->sent.size() - 1), "document_removed");
}

TEST_F(SessionsTest, NativeRefusesUploadsThatBreakTheirWord) {
  const auto session = native();
  session->on_text(R"({"type":"upload_begin","id":"u","name":"a","size":2000})");
  EXPECT_EQ(field(socket_->sent.back(), "code"), "too_large");
  world_.loop.run();
  EXPECT_EQ(world_.catalog->documents(std::nullopt)->front().error.code, ErrorCode::kTooLarge);
  session->on_text(R"({"type":"upload_begin","id":"u","name":"a","size":2})");
  session->on_binary(std::string("\0\0\0\1abc", 7));
  EXPECT_EQ(field(socket_->sent.back(), "code"), "invalid_argument");
  session->on_text(R"({"type":"upload_end","id":"u"})");
  EXPECT_EQ(field(socket_->sent.back(), "code"), "invalid_argument");
}

TEST_F(SessionsTest, SweepSubmitsAgainWhatNobodyKnows) {
  DocumentRow row;
  row.id = "left";
  row.name = "left.pdf";
  row.collection = "default";
  row.blob = *world_.blobs->put("x");
  ASSERT_TRUE(world_.catalog->insert_document(row));
  documents_.start();
  world_.loop.advance(std::chrono::seconds(2));
  ASSERT_EQ(world_.bus.submitted.size(), 1U);
  EXPECT_EQ(world_.bus.submitted[0].job.request_id, "doc-left-1");
  world_.bus.ack(0, ErrorCode::kUnavailable);
  world_.loop.advance(std::chrono::seconds(31));
  EXPECT_EQ(world_.bus.submitted.size(), 2U);
}

TEST_F(SessionsTest, WsStreamAnswersOneRequestAfterTheOther) {
  const auto session = ws_stream();
  session->on_text(R"({"type":"chat_request","query":"First?","chatroom_id":"room"})");
  session->on_text(R"({"type":"chat_request","query":"Second?","chatroom_id":"room"})");
  world_.loop.run();
  ASSERT_EQ(socket_->sent.size(), 1U);
  EXPECT_EQ(type(0), "chat_started");
  EXPECT_EQ(field(socket_->sent[0], "stream_id"), stream());
  world_.hub.emit(stream(), StreamEventKind::kToken, "One");
  world_.hub.emit(stream(), StreamEventKind::kToken, " two", 3);
  world_.hub.emit(stream(), StreamEventKind::kTerminal, done_event());
  world_.loop.run();
  ASSERT_EQ(socket_->sent.size(), 5U);
  EXPECT_NE(socket_->sent[1].find(R"("chunk":"One","chunk_index":1)"), std::string::npos);
  EXPECT_NE(socket_->sent[2].find(R"("chunk":" two","chunk_index":2)"), std::string::npos);
  EXPECT_EQ(field(socket_->sent[3], "response"), "One two");
  EXPECT_EQ(type(4), "chat_started");
  EXPECT_EQ(counters_.statistics(world_.loop.unix_ms()).requests_today, 2U);
}

TEST_F(SessionsTest, WsStreamKeepsItsChunksAfterARewind) {
  const auto session = ws_stream();
  session->on_text(R"({"type":"chat_request","query":"Q"})");
  world_.loop.run();
  world_.hub.emit(stream(), StreamEventKind::kToken, "abcd");
  world_.hub.emit(stream(), StreamEventKind::kRewind, {}, 2);
  world_.hub.emit(stream(), StreamEventKind::kToken, "cd", 2);
  world_.hub.emit(stream(), StreamEventKind::kToken, "e", 4);
  world_.hub.emit(stream(), StreamEventKind::kTerminal, done_event());
  world_.loop.run();
  std::string chunks;
  for (const auto& text : socket_->sent) chunks += field(text, "chunk");
  EXPECT_EQ(chunks, "abcde");
  EXPECT_EQ(field(socket_->sent.back(), "response"), "abcde");
}

TEST_F(SessionsTest, WsStreamEndsASilentConnectionButNoAnswer) {
  using std::chrono::minutes;
  const auto session = ws_stream();
  world_.loop.advance(minutes(29));
  session->on_text(R"({"type":"ping"})");
  world_.loop.advance(minutes(29));
  session->on_text(R"({"type":"chat_request","query":"Q"})");
  world_.loop.advance(minutes(31));
  EXPECT_EQ(socket_->closed, 0);
  world_.hub.emit(stream(), StreamEventKind::kTerminal, done_event());
  world_.loop.advance(minutes(31));
  EXPECT_EQ(field(socket_->sent.back(), "error_code"), "CONNECTION_TIMEOUT");
  EXPECT_NE(socket_->sent.back().find(R"("recoverable":false)"), std::string::npos);
  EXPECT_EQ(socket_->closed, 1000);
}

TEST_F(SessionsTest, WsStreamLetsFewQuestionsWait) {
  const auto session = ws_stream();
  for (int i = 0; i < 18; ++i) session->on_text(R"({"type":"chat_request","query":"Q"})");
  world_.loop.run();
  // One runs, sixteen wait.
  const auto refused = std::count_if(socket_->sent.begin(), socket_->sent.end(), [](const auto& text) {
    return field(text, "error_code") == "RATE_LIMIT_EXCEEDED";
  });
  EXPECT_EQ(refused, 1);
  EXPECT_EQ(world_.hub.asked.size(), 1U);
}

TEST_F(SessionsTest, WsStreamMapsCoursesAndErrors) {
  const auto session = ws_stream("unknown course");
  session->on_text(R"({"type":"chat_request","query":"Q"})");
  world_.loop.run();
  const auto query = messages::decode<messages::EmbedQuery>(world_.hub.asked.back().job.payload);
  EXPECT_TRUE(is_collection_name(query->search.collection));
  EXPECT_NE(query->search.collection, "default");
  world_.hub.acks.back()({"", "", 0, ErrorCode::kUnavailable, "Away.", 0, 4000});
  EXPECT_EQ(field(socket_->sent.back(), "error_code"), "SERVICE_UNAVAILABLE");
  EXPECT_NE(socket_->sent.back().find(R"("retry_after":4.0)"), std::string::npos);
  session->on_text(R"({"type":"disconnect"})");
  EXPECT_EQ(socket_->closed, 1000);

  Request request;
  request.query = "";
  EXPECT_FALSE(ws_stream_identity(request));
}

TEST_F(SessionsTest, SseStreamsAndResumesFromTheCatalog) {
  const auto responder = std::make_shared<test::FakeResponder>();
  Question question;
  question.question = "Q";
  stream_ask(context(), std::move(question), responder, {sse::answer_wire(Shape::kEvents, {})});
  world_.loop.run();
  world_.hub.emit(stream(), StreamEventKind::kToken, "x");
  world_.hub.emit(stream(), StreamEventKind::kTerminal, done_event());
  world_.loop.run();
  EXPECT_TRUE(responder->body->ended);
  EXPECT_TRUE(responder->body->text.starts_with("retry: "));
  EXPECT_NE(responder->body->text.find("\nid: 0\nevent: started\n"), std::string::npos);
  EXPECT_NE(responder->body->text.find("id: 2\nevent: done\n"), std::string::npos);

  messages::StreamState state;
  state.text = "x";
  state.events = {{1, 1, StreamEventKind::kToken, 0, "x"},
                  {2, 2, StreamEventKind::kTerminal, 0, done_event()}};
  ASSERT_TRUE(world_.catalog->finish_answer({"", "", "", stream(), 0}, state, 1));
  world_.hub.streams.clear();
  const auto again = std::make_shared<test::FakeResponder>();
  AnswerView known;
  known.stream = stream();
  stream_answer(context(), known, again, {sse::answer_wire(Shape::kEvents, {1, true})});
  world_.loop.run();
  EXPECT_EQ(again->body->text.find("event: token"), std::string::npos);
  EXPECT_NE(again->body->text.find("event: done"), std::string::npos);

  const auto unknown = std::make_shared<test::FakeResponder>();
  known.stream = new_stream_id(random_id());
  stream_answer(context(), known, unknown, {sse::answer_wire(Shape::kEvents, {0, true})});
  world_.loop.run();
  EXPECT_EQ(unknown->status, 404);
}

TEST_F(SessionsTest, SearchAnswersWithItsResult) {
  Result<Found> found = Error{};
  questions_.search({"words", "", 3, -1}, [&](Result<Found> result) { found = std::move(result); });
  world_.loop.run();
  const auto query = messages::decode<messages::EmbedQuery>(world_.hub.asked.back().job.payload);
  EXPECT_EQ(query->search.k, 3U);
  EXPECT_FALSE(query->search.answer);
  EXPECT_TRUE(world_.hub.asked.back().stream->completion.stage.empty());
  world_.hub.emit(stream(), StreamEventKind::kResult,
                  messages::encode(messages::SourcesEvent{{}, {1, 2, 0, 0}, 4}));
  world_.hub.emit(stream(), StreamEventKind::kTerminal, done_event());
  world_.loop.run();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->sources.coverage.total_pages, 2U);

  questions_.search({"words", "", 0, -1}, [&](Result<Found> result) { found = std::move(result); });
  world_.loop.run();
  world_.loop.advance(std::chrono::seconds(40));
  EXPECT_EQ(found.error().code, ErrorCode::kTimeout);
}

}  // namespace
}  // namespace answermill::frontend
