// The AI SDK's message stream and the Model Context Protocol: goldens, and strangers' messages.
#include <gtest/gtest.h>

#include <random>

#include "frontend/server/dialects/mcp.h"
#include "frontend/server/dialects/ui_messages.h"
#include "shared/messages/codec.h"

namespace answermill::frontend {
namespace {

using messages::StreamEvent;
using messages::StreamEventKind;

StreamEvent token(std::uint64_t seq, std::uint64_t offset, std::string text) {
  return {seq, seq, StreamEventKind::kToken, offset, std::move(text)};
}

StreamEvent end(std::uint64_t seq, messages::Terminal outcome = messages::Terminal::kDone) {
  messages::TerminalEvent terminal;
  terminal.outcome = outcome;
  terminal.sha256 = "abc";
  return {seq, seq, StreamEventKind::kTerminal, 0, messages::encode(terminal)};
}

StreamEvent status(std::uint64_t seq) {
  return {seq, seq, StreamEventKind::kStatus, 0, messages::encode(messages::StatusEvent{"index", "Looking"})};
}

StreamEvent sources(std::uint64_t seq) {
  messages::SourcesEvent found;
  for (std::uint32_t number : {1U, 2U}) {
    messages::Passage passage;
    passage.number = number;
    passage.document = "d";
    passage.document_name = "a.pdf";
    passage.page = 4;
    passage.ordinal = number;
    passage.text = "Text.";
    found.passages.push_back(passage);
  }
  return {seq, seq, StreamEventKind::kSources, 0, messages::encode(found)};
}

struct Told {
  AnswerView view;
  std::unique_ptr<AnswerWire> wire;

  explicit Told(std::unique_ptr<AnswerWire> told) : wire(std::move(told)) {
    view.stream = "s";
    view.conversation = "c";
  }
  std::string start() { return wire->started(view, 7.5); }
  std::string operator()(const StreamEvent& event) {
    apply_event(view, event);
    return wire->event(view, event, 7.5);
  }
};

TEST(UiMessages, StreamsParts) {
  Told told(ui::answer_wire());
  EXPECT_EQ(told.wire->headers().at(0).second, "v1");
  EXPECT_EQ(told.start(),
            "data: {\"type\":\"start\",\"messageId\":\"msg_s\",\"messageMetadata\":{\"stream\":\"s\","
            "\"conversation\":\"c\"}}\n\ndata: {\"type\":\"start-step\"}\n\n");
  EXPECT_EQ(told(status(1)),
            "data: {\"type\":\"data-status\",\"data\":{\"stage\":\"index\",\"message\":\"Looking\"},"
            "\"transient\":true}\n\n");
  const std::string found = told(sources(2));
  EXPECT_TRUE(
      found.starts_with("data: {\"type\":\"source-document\",\"sourceId\":\"d\",\"mediaType\":"
                        "\"application/pdf\",\"title\":\"a.pdf\",\"filename\":\"a.pdf\"}\n\n"
                        "data: {\"type\":\"data-sources\","))
      << found;
  EXPECT_EQ(told(token(3, 0, "hé")),
            "data: {\"type\":\"text-start\",\"id\":\"answer\"}\n\n"
            "data: {\"type\":\"text-delta\",\"id\":\"answer\",\"delta\":\"hé\"}\n\n");
  EXPECT_EQ(
      told(end(4)),
      "data: {\"type\":\"text-end\",\"id\":\"answer\"}\n\ndata: {\"type\":\"finish-step\"}\n\n"
      "data: {\"type\":\"finish\",\"messageMetadata\":{\"stream\":\"s\",\"conversation\":\"c\",\"length\":3,"
      "\"sha256\":\"abc\",\"meta\":null}}\n\ndata: [DONE]\n\n");
}

TEST(UiMessages, TellsOtherEnds) {
  Told cancelled(ui::answer_wire());
  EXPECT_EQ(cancelled(end(1, messages::Terminal::kCancelled)),
            "data: {\"type\":\"abort\"}\n\ndata: [DONE]\n\n");
  Told failed(ui::answer_wire());
  EXPECT_EQ(failed(end(1, messages::Terminal::kFailed)),
            "data: {\"type\":\"error\",\"errorText\":\"The answer failed.\"}\n\ndata: [DONE]\n\n");
  Told other(ui::answer_wire());
  other(token(1, 0, "one"));
  other({2, 2, StreamEventKind::kRewind, 0, {}});
  EXPECT_EQ(other(token(3, 0, "two three")), "");
  EXPECT_TRUE(other(end(4)).starts_with("data: {\"type\":\"error\""));
}

TEST(UiMessages, Parses) {
  const auto body = ui::parse(
      R"({"id":"chat","trigger":"submit-message","messages":[{"id":"1","role":"user","parts":[{"type":"text",)"
      R"("text":"A"}]},{"role":"assistant","parts":[{"type":"step-start"},{"type":"text","text":"B"}]},)"
      R"({"role":"user","parts":[{"type":"text","text":"C"}]}]})");
  ASSERT_TRUE(body);
  EXPECT_EQ(body->chat, "chat");
  EXPECT_EQ(body->prompt.question, "C");
  ASSERT_EQ(body->prompt.history.size(), 2U);
  EXPECT_EQ(body->prompt.history[1].text, "B");
  EXPECT_FALSE(ui::parse(R"({"messages":[]})"));
}

mcp::Message call_of(std::string_view json) {
  auto post = mcp::parse(json);
  return post && post->messages.size() == 1 ? post->messages[0] : mcp::Message{};
}

TEST(Mcp, ReadsCalls) {
  const auto search = call_of(
      R"({"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"search","arguments":{"query":"Q",)"
      R"("k":3},"_meta":{"progressToken":"t"}}})");
  EXPECT_EQ(search.method, mcp::Method::kSearch);
  EXPECT_EQ(search.id, "7");
  EXPECT_EQ(search.text, "Q");
  EXPECT_EQ(search.k, 3U);
  EXPECT_EQ(search.progress_token, "\"t\"");
  EXPECT_EQ(call_of(R"({"jsonrpc":"2.0","method":"notifications/initialized"})").method,
            mcp::Method::kNotification);
  EXPECT_EQ(call_of(R"({"jsonrpc":"2.0","id":1,"result":{}})").method, mcp::Method::kNotification);
  EXPECT_EQ(
      call_of(R"({"jsonrpc":"2.0","id":1,"method":"resources/list"})").refusal,
      R"({"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"There is no method resources/list here."}})");
  for (const char* wrong :
       {R"({"id":1,"method":"tools/call","params":{"name":"burn","arguments":{}}})",
        R"({"id":1,"method":"tools/call","params":{"name":"search","arguments":{"query":5}}})",
        R"({"id":1,"method":"tools/call","params":{"name":"search","arguments":[]}})", R"({"id":1})", "7"}) {
    EXPECT_EQ(call_of(wrong).method, mcp::Method::kRefused) << wrong;
  }
  EXPECT_FALSE(mcp::parse("{"));
  EXPECT_FALSE(mcp::parse("[]"));
  EXPECT_TRUE(mcp::parse(R"([{"id":1,"method":"ping"}])")->batch);
}

TEST(Mcp, NegotiatesTheProtocol) {
  mcp::Message call;
  call.id = "1";
  call.protocol = "2025-06-18";
  EXPECT_TRUE(mcp::initialized(call, "0.1.0")
                  .starts_with(R"({"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-06-18",)"
                               R"("capabilities":{"tools":{"listChanged":false}},"serverInfo":{"name":)"
                               R"("answermill","title":"Answermill","version":"0.1.0"})"));
  call.protocol = "2031-01-01";
  EXPECT_NE(mcp::initialized(call, "0.1.0").find(R"("protocolVersion":"2025-11-25")"), std::string::npos);
  EXPECT_FALSE(mcp::speaks("2024-11-05"));
}

TEST(Mcp, AnswersWithTextAndStructure) {
  mcp::Message call;
  call.id = "\"a\"";
  EXPECT_EQ(mcp::failed(call, {ErrorCode::kNotFound, "No."}),
            R"({"jsonrpc":"2.0","id":"a","result":{"content":[{"type":"text","text":"No."}],)"
            R"("structuredContent":{"error":{"code":"not_found","message":"No."}},"isError":true}})");
  EXPECT_EQ(
      mcp::page(call, {true, "d", "a.pdf", 2, 9, "Words."}),
      R"({"jsonrpc":"2.0","id":"a","result":{"content":[{"type":"text","text":"Words."}],)"
      R"("structuredContent":{"document":"d","name":"a.pdf","page":2,"total_pages":9,"text":"Words."}}})");
  Told told(mcp::answer_wire([&] {
    mcp::Message asking = call;
    asking.progress_token = "3";
    return asking;
  }()));
  EXPECT_EQ(told.start(),
            "event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":"
            "{\"progressToken\":3,\"progress\":1,\"message\":\"Preparing the search\"}}\n\n");
  EXPECT_NE(told(status(1)).find("\"progress\":2,\"message\":\"Looking\""), std::string::npos);
  told(sources(2));
  EXPECT_EQ(told(token(3, 0, "Yes [1].")), "");
  const std::string last = told(end(4));
  EXPECT_TRUE(
      last.starts_with("event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":\"a\",\"result\":{\"content\":"
                       "[{\"type\":\"text\",\"text\":\"Yes [1].\\n\\nSources\\n[1] a.pdf, page 4.1 "
                       "(document d)\\nText."))
      << last;
}

TEST(Mcp, SurvivesWhateverStrangersSend) {
  const auto seed = std::random_device{}();
  std::mt19937 random(seed);
  const std::string valid =
      R"({"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"ask","arguments":{"question":"Q"}}})";
  for (int round = 0; round < 3000; ++round) {
    std::string text = valid;
    for (int changes = 1 + int(random() % 4); changes > 0; --changes)
      text[random() % text.size()] = char(random());
    if (const auto post = mcp::parse(text); post && post->messages[0].method == mcp::Method::kRefused) {
      ASSERT_TRUE(mcp::parse(post->messages[0].refusal)) << "seed " << seed << ": " << text;
    }
    (void)ui::parse(text);
  }
}

}  // namespace
}  // namespace answermill::frontend
