// Answers over streamed HTTP bodies: goldens of the general wires and of /chat, and the driver against fakes.
#include <gtest/gtest.h>

#include <random>

#include "frontend/server/api/answer_stream.h"
#include "frontend/server/dialects/chunked.h"
#include "frontend/server/dialects/sse.h"
#include "frontend/server/dialects/sse_chat.h"
#include "frontend/server/dialects/token_gatherer.h"
#include "shared/messages/codec.h"
#include "tests/unit/frontend/fakes.h"

namespace answermill::frontend {
namespace {

using messages::StreamEvent;
using messages::StreamEventKind;

StreamEvent token(std::uint64_t seq, std::uint64_t offset, std::string text) {
  return {seq, seq, StreamEventKind::kToken, offset, std::move(text)};
}

StreamEvent end(std::uint64_t seq, messages::Terminal outcome = messages::Terminal::kDone,
                ErrorCode code = ErrorCode::kOk, std::string message = {}) {
  messages::TerminalEvent terminal;
  terminal.outcome = outcome;
  terminal.code = code;
  terminal.message = std::move(message);
  terminal.length = 2;
  terminal.sha256 = "abc";
  return {seq, seq, StreamEventKind::kTerminal, 0, messages::encode(terminal)};
}

StreamEvent status(std::uint64_t seq, std::string stage) {
  return {seq, seq, StreamEventKind::kStatus, 0,
          messages::encode(messages::StatusEvent{std::move(stage), "m"})};
}

StreamEvent sources(std::uint64_t seq) {
  messages::Passage passage;
  passage.number = 1;
  passage.document = "d";
  passage.document_name = "a.pdf";
  return {seq, seq, StreamEventKind::kSources, 0, messages::encode(messages::SourcesEvent{{passage}, {}, 1})};
}

// What a wire says to each event in turn.
struct Told {
  AnswerView view;
  std::unique_ptr<AnswerWire> wire;

  explicit Told(std::unique_ptr<AnswerWire> told) : wire(std::move(told)) {
    view.stream = "s";
    view.conversation = "c";
    view.question = "Q";
    view.collection = "default";
  }
  std::string start() { return wire->started(view, 1.5); }
  std::string operator()(const StreamEvent& event) {
    apply_event(view, event);
    return wire->event(view, event, 1.5);
  }
};

TEST(TokenGatherer, GathersRunsAndKeepsOrder) {
  TokenGatherer gatherer(4);
  EXPECT_TRUE(gatherer.add(token(1, 0, "ab")).empty());
  const auto full = gatherer.add(token(2, 2, "cd"));
  ASSERT_EQ(full.size(), 1U);
  EXPECT_EQ(full[0], (StreamEvent{1, 2, StreamEventKind::kToken, 0, "abcd"}));
  EXPECT_TRUE(gatherer.add(token(3, 4, "e")).empty());
  EXPECT_TRUE(gatherer.holding());
  EXPECT_EQ(gatherer.add(end(4)).size(), 2U);
  EXPECT_FALSE(gatherer.holding());
  // After a rewind the next token does not continue the run.
  EXPECT_TRUE(gatherer.add(token(5, 5, "x")).empty());
  const auto cut = gatherer.add(token(7, 2, "y"));
  ASSERT_EQ(cut.size(), 1U);
  EXPECT_EQ(cut[0].data, "x");
  EXPECT_EQ(gatherer.take()->data, "y");
  EXPECT_FALSE(gatherer.take());
}

TEST(TokenGatherer, ChangesNoText) {
  const auto seed = std::random_device{}();
  std::mt19937 random(seed);
  for (int round = 0; round < 200; ++round) {
    TokenGatherer gatherer(1 + random() % 40);
    AnswerView plain;
    AnswerView gathered;
    for (std::uint64_t seq = 1; seq < 60; ++seq) {
      const std::uint64_t length = plain.text.size();
      const StreamEvent event = random() % 12 == 0
                                    ? StreamEvent{seq, seq, StreamEventKind::kRewind, length / 2, {}}
                                    : token(seq, length, std::string(random() % 9, char('a' + seq % 26)));
      apply_event(plain, event);
      for (const auto& ready : gatherer.add(event)) apply_event(gathered, ready);
    }
    if (const auto rest = gatherer.take()) apply_event(gathered, *rest);
    ASSERT_EQ(gathered.text, plain.text) << "seed " << seed;
    ASSERT_EQ(gathered.next_seq, plain.next_seq) << "seed " << seed;
  }
}

TEST(Lines, EncodesOneEventALine) {
  Told told(chunked::lines_wire(Shape::kEvents, {}));
  EXPECT_EQ(told.start(),
            "{\"type\":\"started\",\"seq\":0,\"stream\":\"s\",\"conversation\":\"c\",\"question\":\"Q\","
            "\"collection\":\"default\",\"timestamp\":1.5}\n");
  EXPECT_EQ(told(status(1, "index")),
            "{\"type\":\"status\",\"seq\":1,\"first_seq\":1,\"stage\":\"index\",\"message\":\"m\","
            "\"timestamp\":1.5}\n");
  EXPECT_EQ(
      told(token(2, 0, "hé\n")),
      "{\"type\":\"token\",\"seq\":2,\"first_seq\":2,\"offset\":0,\"text\":\"hé\\n\",\"timestamp\":1.5}\n");
  EXPECT_EQ(told(end(3)),
            "{\"type\":\"done\",\"seq\":3,\"first_seq\":3,\"length\":2,\"sha256\":\"abc\",\"meta\":null,"
            "\"error\":null,\"timestamp\":1.5}\n");
  Told text_only(chunked::lines_wire(Shape::kTokens, {2, true}));
  EXPECT_EQ(text_only.start(), "");
  EXPECT_EQ(text_only(status(3, "index")), "");
  EXPECT_NE(text_only(end(4)), "");
  EXPECT_EQ(text_only.wire->after_seq(), 2U);
}

TEST(PlainText, IsTheTextAndBreaksWhenItCannotBe) {
  Told told(chunked::text_wire(0));
  EXPECT_EQ(told.start(), "");
  EXPECT_EQ(told(status(1, "index")), "");
  EXPECT_EQ(told(token(2, 0, "hé")), "hé");
  EXPECT_EQ(told(token(3, 3, " you")), " you");
  EXPECT_EQ(told({4, 4, StreamEventKind::kRewind, 3, {}}), "");
  EXPECT_EQ(told(token(5, 3, " your friend")), "r friend");
  EXPECT_EQ(told(end(6)), "");
  EXPECT_FALSE(told.wire->broken());

  Told failed(chunked::text_wire(0));
  failed(end(1, messages::Terminal::kFailed));
  EXPECT_TRUE(failed.wire->broken());

  Told other(chunked::text_wire(0));
  other(token(1, 0, "one"));
  other({2, 2, StreamEventKind::kRewind, 0, {}});
  EXPECT_EQ(other(token(3, 0, "two three")), "");
  other(end(4));
  EXPECT_TRUE(other.wire->broken());

  Told later(chunked::text_wire(2));
  EXPECT_EQ(later(token(1, 0, "abc")), "c");
}

TEST(Chat, ParsesItsBody) {
  const auto body = chat::parse(R"({"query":"Q","auto_load_documents":true})");
  ASSERT_TRUE(body);
  EXPECT_EQ(body->query, "Q");
  EXPECT_FALSE(body->session_id);
  EXPECT_EQ(chat::parse(R"({"query":"Q","auto_load_documents":false})").error().code,
            ErrorCode::kInvalidArgument);
  EXPECT_TRUE(chat::parse(R"({"query":"Q","auto_load_documents":false,"documents":["d"]})"));
  EXPECT_EQ(chat::parse("[]").error().code, ErrorCode::kMalformed);
  const std::string stream = new_stream_id(topic_of("x"));
  ASSERT_TRUE(chat::parse_event_id(stream + ":7"));
  EXPECT_EQ(chat::parse_event_id(stream + ":7")->seq, 7U);
  for (const std::string bad : {"", "7", "x:7", stream.c_str(), ":"}) EXPECT_FALSE(chat::parse_event_id(bad));
}

TEST(Chat, TellsTheStepsAsTheyHappen) {
  Told fast(chat::answer_wire(chat::Kind::kFastChat, {}, std::nullopt));
  EXPECT_EQ(
      fast.start(),
      "id: s:0\nevent: progress\ndata: {\"type\":\"progress\",\"step\":\"query_preparation\",\"message\":"
      "\"Preparing search query...\",\"number\":1,\"steps\":5,\"stream_id\":\"s\",\"timestamp\":1.5}\n\n");
  EXPECT_EQ(
      fast(status(1, "index")),
      "event: progress\ndata: {\"type\":\"progress\",\"step\":\"document_selection\",\"message\":\"📄 "
      "Selecting "
      "relevant documents...\",\"number\":2,\"steps\":5,\"collection\":\"default\",\"selected\":\"all\","
      "\"stream_id\":\"s\",\"timestamp\":1.5}\n\n"
      "id: s:1\nevent: progress\ndata: "
      "{\"type\":\"progress\",\"step\":\"vector_search\",\"message\":\"Searching "
      "vector database...\",\"number\":3,\"steps\":5,\"stream_id\":\"s\",\"timestamp\":1.5}\n\n");
  EXPECT_EQ(
      fast(sources(2)),
      "id: s:2\nevent: progress\ndata: {\"type\":\"progress\",\"step\":\"ai_generation\",\"message\":\"🤖 "
      "Generating AI response...\",\"number\":4,\"steps\":5,\"documents\":[\"a.pdf\"],\"passages\":1,"
      "\"stream_id\":\"s\",\"timestamp\":1.5}\n\n");
  EXPECT_EQ(fast(token(3, 0, "T")), "");
  const std::string last = fast(end(4));
  EXPECT_TRUE(last.starts_with("event: progress\ndata: {\"type\":\"progress\",\"step\":\"complete\""))
      << last;
  EXPECT_NE(
      last.find("id: s:4\nevent: result\ndata: {\"type\":\"result\",\"query\":\"\",\"response\":\"T\","),
      std::string::npos)
      << last;

  Told plain(chat::answer_wire(chat::Kind::kChat, {}, std::nullopt));
  EXPECT_EQ(plain.start(), "");
  EXPECT_NE(plain(sources(1)).find("document_loading"), std::string::npos);
  EXPECT_NE(plain(end(2, messages::Terminal::kFailed, ErrorCode::kUpstream, "Gone."))
                .find("event: error\ndata: {\"type\":\"error\",\"error\":\"Gone.\",\"code\":\"upstream\","),
            std::string::npos);

  Told resumed(chat::answer_wire(chat::Kind::kFastChat, {}, 2));
  EXPECT_EQ(resumed.start(), "");
  EXPECT_EQ(resumed(status(1, "index")), "");
  EXPECT_EQ(resumed(sources(2)), "");
  EXPECT_NE(resumed(end(3)), "");
}

TEST(Chat, ItsTwinFailsAsTheAnswerDoes) {
  AnswerView view;
  view.status = MessageStatus::kFailed;
  view.error = {ErrorCode::kUpstream, "Gone."};
  EXPECT_EQ(chat::result({}, view, 1.5).error().code, ErrorCode::kUpstream);
  view.status = MessageStatus::kDone;
  view.error = {ErrorCode::kOk, {}};
  view.text = "T";
  view.stream = "s";
  EXPECT_EQ(*chat::result({}, view, 1.5),
            R"({"query":"","response":"T","documents":[],"status":"done","sources":[],"coverage":null,)"
            R"("citations":[],"meta":null,"sha256":"","collection":"","session_id":null,"stream_id":"s",)"
            R"("timestamp":1.5})");
}

class AnswerStreamTest : public testing::Test {
 protected:
  test::World world_;
  DocumentService documents_{*world_.services};
  QuestionService questions_{*world_.services};
  Answers answers_;
  std::shared_ptr<test::FakeResponder> responder_ = std::make_shared<test::FakeResponder>();

  AnswerContext context() { return {*world_.services, documents_, questions_, answers_}; }
  std::string stream() const { return world_.hub.asked.back().stream->id; }
  void ask(StreamReply reply) {
    Question question;
    question.question = "Q";
    stream_ask(context(), std::move(question), responder_, std::move(reply));
    world_.loop.run();
  }
  void emit(StreamEventKind kind, std::string data, std::uint64_t offset = 0) {
    world_.hub.emit(stream(), kind, std::move(data), offset);
    world_.loop.run();
  }
};

TEST_F(AnswerStreamTest, GathersTokensBySizeAndTime) {
  StreamReply reply{chunked::text_wire(0)};
  reply.gathering = Gathering{4, std::chrono::milliseconds(100)};
  ask(std::move(reply));
  emit(StreamEventKind::kToken, "ab");
  EXPECT_EQ(responder_->body->text, "");
  emit(StreamEventKind::kToken, "cd", 2);
  EXPECT_EQ(responder_->body->text, "abcd");
  emit(StreamEventKind::kToken, "e", 4);
  EXPECT_EQ(responder_->body->text, "abcd");
  world_.loop.advance(std::chrono::milliseconds(100));
  EXPECT_EQ(responder_->body->text, "abcde");
  emit(StreamEventKind::kToken, "f", 5);
  emit(StreamEventKind::kTerminal, end(9).data);
  EXPECT_EQ(responder_->body->text, "abcdef");
  EXPECT_TRUE(responder_->body->ended);
}

TEST_F(AnswerStreamTest, CutsOffWhatWentWrong) {
  ask({chunked::text_wire(0)});
  emit(StreamEventKind::kToken, "ab");
  emit(StreamEventKind::kTerminal, end(2, messages::Terminal::kFailed, ErrorCode::kUpstream, "Gone.").data);
  EXPECT_EQ(responder_->body->text, "ab");
  EXPECT_FALSE(responder_->body->ended);
}

TEST_F(AnswerStreamTest, TellsARefusalOnTheWireOnceItIsOpen) {
  ask({chat::answer_wire(chat::Kind::kFastChat, {}, std::nullopt)});
  world_.hub.acks.back()({});
  messages::SubmitAck refused;
  refused.code = ErrorCode::kBusy;
  refused.message = "Too much.";
  refused.retry_after_ms = 2500;
  world_.hub.acks.back()(refused);
  world_.loop.run();
  EXPECT_NE(responder_->body->text.find("event: error"), std::string::npos);
  EXPECT_NE(responder_->body->text.find(R"("retry_after":2.5)"), std::string::npos);
  EXPECT_TRUE(responder_->body->ended);

  const auto second = std::make_shared<test::FakeResponder>();
  Question unknown;
  unknown.question = "Q";
  unknown.collection = "nowhere";
  stream_ask(context(), std::move(unknown), second, {sse::answer_wire(Shape::kEvents, {})});
  world_.loop.run();
  EXPECT_EQ(second->status, 404);
}

TEST_F(AnswerStreamTest, HeartbeatsWhileNothingHappens) {
  ask({chat::answer_wire(chat::Kind::kChat, {}, std::nullopt)});
  world_.loop.advance(std::chrono::seconds(16));
  EXPECT_EQ(responder_->body->text, ": heartbeat\n\n");
}

TEST_F(AnswerStreamTest, ReadsOnWhenASlowReaderHasDrained) {
  ask({chunked::text_wire(0)});
  responder_->body->pending = kHighWaterBytes;
  emit(StreamEventKind::kToken, "ab");
  emit(StreamEventKind::kToken, "cd", 2);
  EXPECT_EQ(responder_->body->text, "");
  responder_->body->pending = 0;
  responder_->body->on_drain();
  EXPECT_EQ(responder_->body->text, "abcd");
}

}  // namespace
}  // namespace answermill::frontend
