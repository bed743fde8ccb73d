// The OpenAI-compatible wires: goldens, and sequence numbers that any reader agrees on.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "frontend/server/dialects/openai.h"
#include "frontend/server/dialects/openai_chat.h"
#include "frontend/server/dialects/openai_responses.h"
#include "shared/base/ids.h"
#include "shared/messages/codec.h"

namespace answermill::frontend {
namespace {

using messages::StreamEvent;
using messages::StreamEventKind;

StreamEvent token(std::uint64_t seq, std::uint64_t offset, std::string text) {
  return {seq, seq, StreamEventKind::kToken, offset, std::move(text)};
}

StreamEvent end(std::uint64_t seq, messages::Terminal outcome = messages::Terminal::kDone) {
  messages::AnswerMeta meta;
  meta.input_tokens = 5;
  meta.output_tokens = 2;
  meta.tokens_measured = true;
  meta.finish_reason = "stop";
  messages::TerminalEvent terminal;
  terminal.outcome = outcome;
  terminal.sha256 = "abc";
  terminal.meta = messages::encode(meta);
  return {seq, seq, StreamEventKind::kTerminal, 0, messages::encode(terminal)};
}

struct Told {
  AnswerView view;
  std::unique_ptr<AnswerWire> wire;

  explicit Told(std::unique_ptr<AnswerWire> told) : wire(std::move(told)) {
    view.stream = "s";
    view.conversation = "c";
    view.collection = "default";
  }
  std::string start() { return wire->started(view, 7.5); }
  std::string operator()(const StreamEvent& event) {
    apply_event(view, event);
    return wire->event(view, event, 7.5);
  }
};

TEST(OpenAi, NamesModelsAndStreams) {
  EXPECT_EQ(openai::collection_of("answermill"), "default");
  EXPECT_EQ(openai::collection_of("law"), "law");
  EXPECT_EQ(openai::model_of("default"), "answermill");
  const std::string stream = new_stream_id(topic_of("x"));
  EXPECT_EQ(openai::stream_of("resp_", openai::id_of("resp_", stream)), stream);
  EXPECT_EQ(openai::stream_of("resp_", "chatcmpl-" + stream), "");
  EXPECT_EQ(openai::stream_of("resp_", "resp_x"), "");
  EXPECT_EQ(openai::error({ErrorCode::kNotFound, "No."}),
            R"({"error":{"message":"No.","type":"invalid_request_error","param":null,"code":"not_found"}})");
}

TEST(OpenAi, TakesTheLastUserMessageAsTheQuestion) {
  const auto body = openai::parse_chat(
      R"({"model":"law","stream":true,"stream_options":{"include_usage":true},"temperature":0.5,)"
      R"("max_completion_tokens":9,"messages":[{"role":"system","content":"S"},{"role":"user","content":"A"},)"
      R"({"role":"assistant","content":"B"},{"role":"user","content":[{"type":"text","text":"C"}]}]})");
  ASSERT_TRUE(body);
  EXPECT_EQ(body->prompt.question, "C");
  ASSERT_EQ(body->prompt.history.size(), 2U);
  EXPECT_EQ(body->prompt.history[1].text, "B");
  EXPECT_EQ(body->prompt.instructions, "S");
  EXPECT_TRUE(body->stream && body->include_usage);
  EXPECT_EQ(body->sampling.max_tokens, 9U);
  EXPECT_EQ(body->sampling.temperature, 0.5);
  for (const char* wrong :
       {R"({"messages":[]})", R"({})", R"({"messages":[{"role":"assistant","content":"B"}]})",
        R"({"messages":[{"role":"user","content":7}]})", R"({"messages":[7]})",
        R"({"n":2,"messages":[{"role":"user","content":"A"}]})",
        R"({"temperature":3,"messages":[{"role":"user","content":"A"}]})",
        R"({"max_tokens":0,"messages":[{"role":"user","content":"A"}]})"}) {
    EXPECT_EQ(openai::parse_chat(wrong).error().code, ErrorCode::kInvalidArgument) << wrong;
  }
  EXPECT_EQ(openai::parse_responses(R"({"input":"Q"})")->prompt.question, "Q");
  EXPECT_EQ(openai::parse_responses(R"({"instructions":"I","input":[{"role":"developer","content":"D"},)"
                                    R"({"role":"user","content":"Q"}]})")
                ->prompt.instructions,
            "I\nD");
  EXPECT_EQ(openai::parse_responses(R"({"input":"Q","background":true})").error().code,
            ErrorCode::kInvalidArgument);
}

TEST(OpenAiChat, StreamsChunks) {
  openai::ChatBody body;
  body.include_usage = true;
  Told told(openai::chat_wire(body));
  const std::string head =
      R"(data: {"id":"chatcmpl-s","object":"chat.completion.chunk","created":7,"model":"answermill",)";
  EXPECT_EQ(told.start(),
            head + R"("choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,)"
                   R"("finish_reason":null}],"usage":null})"
                   "\n\n");
  EXPECT_EQ(told(token(1, 0, "hé")),
            head + R"("choices":[{"index":0,"delta":{"content":"hé"},"logprobs":null,"finish_reason":null}],)"
                   R"("usage":null})"
                   "\n\n");
  const std::string last = told(end(2));
  EXPECT_NE(last.find(R"("delta":{},"logprobs":null,"finish_reason":"stop"}])"), std::string::npos) << last;
  EXPECT_TRUE(last.ends_with(head + R"("choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2,)"
                                    R"("total_tokens":7,"estimated":false}})"
                                    "\n\ndata: [DONE]\n\n"))
      << last;
}

TEST(OpenAiChat, NeverEndsAWrongTextAsIfItWereRight) {
  Told told(openai::chat_wire({}));
  told(token(1, 0, "one"));
  told({2, 2, StreamEventKind::kRewind, 0, {}});
  EXPECT_EQ(told(token(3, 0, "two three")), "");
  const std::string last = told(end(4));
  EXPECT_TRUE(last.starts_with(R"(data: {"error":{"message":)")) << last;
  EXPECT_EQ(last.find("[DONE]"), std::string::npos);

  Told failed(openai::chat_wire({}));
  EXPECT_NE(failed(end(1, messages::Terminal::kFailed)).find("server_error"), std::string::npos);
}

TEST(OpenAiResponses, StreamsNumberedEvents) {
  Told told(openai::responses_wire({}, std::nullopt));
  const std::string opening = told.start();
  for (const char* part :
       {"event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,",
        "event: response.content_part.added\ndata: "
        "{\"type\":\"response.content_part.added\",\"sequence_number\":3,"}) {
    EXPECT_NE(opening.find(part), std::string::npos) << opening;
  }
  EXPECT_EQ(
      told(token(1, 0, "hé")),
      "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\","
      "\"sequence_number\":6,\"item_id\":\"msg_s\",\"output_index\":0,\"content_index\":0,\"delta\":\"hé\","
      "\"logprobs\":[]}\n\n");
  const std::string last = told(end(2));
  EXPECT_NE(last.find("\"response.output_text.done\",\"sequence_number\":7,"), std::string::npos) << last;
  EXPECT_NE(last.find("\"response.completed\",\"sequence_number\":10,"), std::string::npos) << last;
  EXPECT_NE(last.find(R"("usage":{"input_tokens":5,"output_tokens":2,"total_tokens":7,"estimated":false})"),
            std::string::npos);
}

// The numbers and the deltas' texts of a transcript.
struct Read {
  std::vector<std::uint64_t> numbers;
  std::string text;
  std::string last_type;
};
Read read(const std::string& transcript) {
  Read all;
  const auto after = [&](std::size_t at, std::string_view mark) {
    const auto begin = transcript.find(mark, at) + mark.size();
    return transcript.substr(begin, transcript.find('"', begin) - begin);
  };
  for (std::size_t at = transcript.find("data: "); at != std::string::npos;
       at = transcript.find("data: ", at + 1)) {
    all.last_type = after(at, "\"type\":\"");
    const auto number = transcript.find("\"sequence_number\":", at) + 18;
    all.numbers.push_back(std::stoull(transcript.substr(number)));
    if (all.last_type == "response.output_text.delta") all.text += after(at, "\"delta\":\"");
  }
  return all;
}

TEST(OpenAiResponses, ResumeAfterAnyNumberHoweverTheTextIsCut) {
  const auto seed = std::random_device{}();
  std::mt19937 random(seed);
  for (int round = 0; round < 100; ++round) {
    std::string text;
    for (std::size_t i = 5 + random() % 60; i > 0; --i) text += char('a' + random() % 26);
    const auto transcript = [&](std::optional<std::uint64_t> after) {
      Told told(openai::responses_wire({}, after));
      std::string out = told.start();
      std::uint64_t seq = 1;
      for (std::size_t at = 0; at < text.size();) {
        const std::size_t length = std::min<std::size_t>(1 + random() % 9, text.size() - at);
        out += told(token(seq++, at, text.substr(at, length)));
        at += length;
      }
      return out + told(end(seq));
    };
    const Read whole = read(transcript(std::nullopt));
    ASSERT_EQ(whole.text, text);
    ASSERT_TRUE(std::is_sorted(whole.numbers.begin(), whole.numbers.end())) << "seed " << seed;
    ASSERT_EQ(std::adjacent_find(whole.numbers.begin(), whole.numbers.end()), whole.numbers.end());
    // Leave after a random event; what a second reader adds makes the whole.
    const std::uint64_t left = whole.numbers[random() % whole.numbers.size()];
    const std::size_t had = left <= 3 ? 0 : std::min<std::size_t>(left - 3, text.size());
    const Read rest = read(transcript(left));
    ASSERT_EQ(text.substr(0, had) + rest.text, text) << "seed " << seed << " left " << left;
    ASSERT_GT(rest.numbers.front(), left) << "seed " << seed;
    ASSERT_EQ(rest.last_type, "response.completed") << "seed " << seed;
  }
}

TEST(OpenAiEmbeddings, PacksNumbers) {
  const auto body = openai::parse_embeddings(R"({"input":["a barn","b"],"encoding_format":"float"})");
  ASSERT_TRUE(body);
  const std::string vectors("\0\0\x80\x3f\0\0\0\x40", 8);  // 1.0, 2.0
  EXPECT_EQ(openai::embeddings(*body, "m", 1, vectors),
            R"({"object":"list","data":[{"object":"embedding","index":0,"embedding":[1.0]},{"object":)"
            R"("embedding","index":1,"embedding":[2.0]}],"model":"m","usage":{"prompt_tokens":3,)"
            R"("total_tokens":3,"estimated":true}})");
  const auto packed = openai::parse_embeddings(R"({"input":"a","encoding_format":"base64"})");
  EXPECT_NE(openai::embeddings(*packed, "m", 2, vectors).find(R"("embedding":"AACAPwAAAEA=")"),
            std::string::npos);
  EXPECT_NE(openai::embeddings(*packed, "m", 1, vectors.substr(0, 4)).find(R"("embedding":"AACAPw==")"),
            std::string::npos);
  for (const char* wrong : {R"({"input":[]})", R"({"input":[1,2]})", R"({"input":""})",
                            R"({"input":"a","encoding_format":"hex"})"}) {
    EXPECT_FALSE(openai::parse_embeddings(wrong)) << wrong;
  }
}

}  // namespace
}  // namespace answermill::frontend
