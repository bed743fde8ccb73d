// /ws/query: goldens of its messages, and one connection against fakes of everything below.
#include "frontend/server/dialects/ws_query.h"

#include <gtest/gtest.h>

#include "frontend/server/api/sse_answers.h"
#include "frontend/server/api/ws_query_session.h"
#include "shared/messages/codec.h"
#include "tests/unit/frontend/fakes.h"

namespace answermill::frontend {
namespace {

using messages::StreamEventKind;

messages::SourcesEvent two_passages_of_one_file() {
  messages::SourcesEvent found;
  for (std::uint32_t page : {61U, 7U}) {
    messages::Passage passage;
    passage.number = static_cast<std::uint32_t>(found.passages.size()) + 1;
    passage.document = "d";
    passage.document_name = "a.pdf";
    passage.collection = "default";
    passage.page = page;
    passage.ordinal = 3;
    passage.heading = "H";
    passage.text = "Text";
    passage.score = 0.5;
    passage.distance = 0.5;
    found.passages.push_back(passage);
  }
  found.coverage = {3, 16, 1, 9};
  return found;
}

std::string end_event(messages::Terminal outcome, ErrorCode code = ErrorCode::kOk, std::string message = {}) {
  messages::TerminalEvent terminal;
  terminal.outcome = outcome;
  terminal.code = code;
  terminal.message = std::move(message);
  terminal.sha256 = "abc";
  return messages::encode(terminal);
}

TEST(AppendOnlyText, ShowsEveryWordOnceAndNothingAfterAnotherTurn) {
  AppendOnlyText shown;
  EXPECT_EQ(shown.more("one"), "one");
  EXPECT_EQ(shown.more("one two"), " two");
  shown.rewound();
  EXPECT_EQ(shown.more("one"), "");
  EXPECT_EQ(shown.more("one two three"), " three");
  EXPECT_EQ(shown.more("one four five six"), "");
  EXPECT_FALSE(shown.agrees("one four five six"));
  AppendOnlyText later(4);
  EXPECT_EQ(later.more("one"), "");
  EXPECT_EQ(later.more("one two"), "two");
}

TEST(WsQuery, Parses) {
  const auto ask = ws_query::parse(R"({"question":"Q?"})");
  ASSERT_TRUE(ask);
  EXPECT_TRUE(ask->humanize);
  EXPECT_TRUE(ask->stream);
  EXPECT_FALSE(ask->session_id);
  const auto other = ws_query::parse(
      R"({"question":"Q?","humanize":false,"stream":false,"session_id":"s","collection":"c"})");
  ASSERT_TRUE(other);
  EXPECT_FALSE(other->humanize);
  EXPECT_FALSE(other->stream);
  EXPECT_EQ(other->session_id, "s");
  EXPECT_EQ(other->collection, "c");
  EXPECT_EQ(ws_query::parse("hello").error().code, ErrorCode::kMalformed);
  EXPECT_EQ(ws_query::parse(R"({"question":1})").error().code, ErrorCode::kInvalidArgument);
}

TEST(WsQuery, EncodesItsMessages) {
  ws_query::Ask ask;
  ask.session_id = "unique";
  AnswerView answer;
  answer.stream = "s";
  answer.text = "hé";
  answer.status = MessageStatus::kDone;
  answer.sha256 = "abc";
  EXPECT_EQ(ws_query::status("searching", ask, answer, 1.5),
            R"({"type":"status","status":"searching","message":"Searching the documents...",)"
            R"("session_id":"unique","stream_id":"s","timestamp":1.5})");
  EXPECT_EQ(
      ws_query::immediate(ask, two_passages_of_one_file(), "s", 1.5),
      R"({"type":"immediate","files":[{"document_id":"d","filename":"a.pdf","material_id":"","collection":)"
      R"("default","pages":[61,7],"score":0.5}],"snippets":[{"number":1,"document_id":"d","filename":)"
      R"("a.pdf","page":"61.3","heading":"H","text":"Text","score":0.5,"distance":0.5},{"number":2,)"
      R"("document_id":"d","filename":"a.pdf","page":"7.3","heading":"H","text":"Text","score":0.5,)"
      R"("distance":0.5}],"coverage":{"pages":3,"total_pages":16},"session_id":"unique","stream_id":"s",)"
      R"("timestamp":1.5})");
  EXPECT_EQ(ws_query::stream_start(answer, 1.5),
            R"({"type":"stream_start","stream_id":"s","timestamp":1.5})");
  EXPECT_EQ(ws_query::stream_token("hé"), R"({"type":"stream_token","token":"hé"})");
  EXPECT_EQ(ws_query::stream_end(ask, answer, 2, 1.5),
            R"({"type":"stream_end","status":"done","length":3,"sha256":"abc","citations":[],"meta":null,)"
            R"("session_id":"unique","stream_id":"s","tokens":2,"timestamp":1.5})");
  EXPECT_EQ(ws_query::overview(ask, answer, 1.5),
            R"({"type":"overview","overview":"hé","status":"done","length":3,"sha256":"abc","citations":[],)"
            R"("meta":null,"session_id":"unique","stream_id":"s","timestamp":1.5})");
  EXPECT_EQ(ws_query::error({ErrorCode::kBusy, "Wait."}, {}, 1.5),
            R"({"type":"error","error":"Wait.","code":"busy","retryable":true,"stream_id":null,)"
            R"("timestamp":1.5})");
}

class WsQueryTest : public testing::Test {
 protected:
  test::World world_;
  QuestionService questions_{*world_.services};
  std::shared_ptr<test::FakeSocket> socket_ = std::make_shared<test::FakeSocket>();
  WsQuerySession session_{*world_.services, questions_, socket_};

  std::string stream() const { return world_.hub.asked.back().stream->id; }
  void ask(std::string_view message) {
    session_.on_text(message);
    world_.loop.run();
  }
  void emit(StreamEventKind kind, std::string data, std::uint64_t offset = 0) {
    world_.hub.emit(stream(), kind, std::move(data), offset);
    world_.loop.run();
  }
  // The types of what was sent so far, in order.
  std::string types() const {
    std::string all;
    for (const auto& message : socket_->sent) {
      const auto begin = message.find(R"("type":")") + 8;
      all += message.substr(begin, message.find('"', begin) - begin) + " ";
    }
    return all;
  }
};

TEST_F(WsQueryTest, SendsPassagesAtOnceAndThenTheTokens) {
  ask(R"({"question":"What?","session_id":"s1"})");
  EXPECT_EQ(types(), "status ");
  emit(StreamEventKind::kSources, messages::encode(two_passages_of_one_file()));
  EXPECT_EQ(types(), "status immediate status ");
  emit(StreamEventKind::kToken, "Hello");
  emit(StreamEventKind::kToken, " you", 5);
  emit(StreamEventKind::kTerminal, end_event(messages::Terminal::kDone));
  EXPECT_EQ(types(), "status immediate status stream_start stream_token stream_token stream_end ");
  EXPECT_NE(socket_->sent.back().find(stream()), std::string::npos);
  // The same session is the same conversation.
  const auto conversation = [&] {
    return messages::decode<messages::EmbedQuery>(world_.hub.asked.back().job.payload)
        ->search.answer->conversation;
  };
  const std::string first = conversation();
  ask(R"({"question":"And then?","session_id":"s1"})");
  EXPECT_EQ(conversation(), first);
}

TEST_F(WsQueryTest, GivesAnOverviewWithoutStreaming) {
  ask(R"({"question":"What?","stream":false})");
  emit(StreamEventKind::kToken, "Hello");
  emit(StreamEventKind::kTerminal, end_event(messages::Terminal::kDone));
  EXPECT_EQ(types(), "status overview ");
}

TEST_F(WsQueryTest, GivesAnOverviewWhenTheTextTookAnotherTurn) {
  ask(R"({"question":"What?"})");
  emit(StreamEventKind::kToken, "Hello");
  emit(StreamEventKind::kRewind, {}, 0);
  emit(StreamEventKind::kToken, "Other words", 0);
  emit(StreamEventKind::kTerminal, end_event(messages::Terminal::kDone));
  EXPECT_EQ(types(), "status stream_start stream_token overview ");
  EXPECT_NE(socket_->sent.back().find("Other words"), std::string::npos);
}

TEST_F(WsQueryTest, OnlySearchesWhenNothingIsToBeHumanized) {
  ask(R"({"question":"What?","humanize":false})");
  ASSERT_EQ(world_.hub.asked.size(), 1U);
  EXPECT_FALSE(
      messages::decode<messages::EmbedQuery>(world_.hub.asked.back().job.payload)->search.answer.has_value());
  emit(StreamEventKind::kResult, messages::encode(two_passages_of_one_file()));
  emit(StreamEventKind::kTerminal, end_event(messages::Terminal::kDone));
  EXPECT_EQ(types(), "status immediate status ");
}

TEST_F(WsQueryTest, TellsErrorsAndGoesOn) {
  ask("nonsense");
  ask(R"({"question":"  "})");
  ask(R"({"question":"What?","collection":"nowhere"})");
  EXPECT_EQ(types(), "error error error ");
  ask(R"({"question":"What?"})");
  ask(R"({"question":"Next?"})");  // waits
  emit(StreamEventKind::kTerminal,
       end_event(messages::Terminal::kFailed, ErrorCode::kUpstream, "The model is gone."));
  EXPECT_EQ(types(), "error error error status error status ");
  EXPECT_NE(socket_->sent[4].find("The model is gone."), std::string::npos);
  EXPECT_EQ(world_.hub.asked.size(), 2U);
}

TEST_F(WsQueryTest, WaitsForASlowReaderAndOutlivesAClosedOne) {
  ask(R"({"question":"What?"})");
  socket_->pending = kHighWaterBytes;
  emit(StreamEventKind::kToken, "a");
  EXPECT_EQ(types(), "status ");
  socket_->pending = 0;
  session_.on_drain();
  EXPECT_EQ(types(), "status stream_start stream_token ");
  session_.on_close(1006);
  emit(StreamEventKind::kTerminal, end_event(messages::Terminal::kDone));
  EXPECT_EQ(types(), "status stream_start stream_token ");
  EXPECT_TRUE(world_.hub.cancelled.empty());
}

}  // namespace
}  // namespace answermill::frontend
