#include "workers/generate/chat_api.h"

#include <gtest/gtest.h>

namespace answermill::generate {
namespace {

TEST(ChatApi, BuildsTheAddress) {
  EXPECT_EQ(chat_url("http://localhost:11434"), "http://localhost:11434/v1/chat/completions");
  EXPECT_EQ(chat_url("https://api.openai.com/v1/"), "https://api.openai.com/v1/chat/completions");
}

TEST(ChatApi, WritesTheRequestInTheServersDialect) {
  ChatRequest request{"m", 0.5, 7, {{"user", "h\"i \xFF"}}};
  const std::string full = chat_request_body(request, {});
  EXPECT_NE(full.find(R"("stream_options":{"include_usage":true})"), std::string::npos);
  EXPECT_NE(full.find(R"("max_tokens":7)"), std::string::npos);
  EXPECT_NE(full.find("\xEF\xBF\xBD"), std::string::npos);  // ill-formed text is repaired, never thrown at
  const std::string lean = chat_request_body(request, {false, false, true});
  EXPECT_EQ(lean.find("stream_options"), std::string::npos);
  EXPECT_EQ(lean.find("temperature"), std::string::npos);
  EXPECT_NE(lean.find(R"("max_completion_tokens":7)"), std::string::npos);
}

TEST(ChatApi, ReadsChunks) {
  const auto chunk = parse_chat_chunk(R"({"choices":[{"delta":{"content":"Hi"},"finish_reason":null}]})");
  ASSERT_TRUE(chunk);
  EXPECT_EQ(chunk->text, "Hi");
  EXPECT_TRUE(parse_chat_chunk(R"({"choices":[{"delta":{"reasoning_content":"hm"}}]})")->thinking);
  EXPECT_EQ(parse_chat_chunk(R"({"choices":[{"delta":{},"finish_reason":"length"}]})")->finish_reason,
            "length");
  const auto usage = parse_chat_chunk(R"({"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":3}})");
  EXPECT_TRUE(usage->has_usage);
  EXPECT_EQ(usage->output_tokens, 3U);
  EXPECT_EQ(parse_chat_chunk(R"({"error":{"message":"boom"}})")->error, "boom");
  EXPECT_EQ(parse_chat_chunk(R"({"choices":[{"message":{"content":"all"}}]})")->text, "all");
  EXPECT_FALSE(parse_chat_chunk("nonsense"));
  EXPECT_TRUE(parse_chat_chunk("{\"choices\":[{\"delta\":{\"content\":\"\xF0\x9F\"}}]}"));
  for (const char* odd :
       {"[]", "1", "null", "{}", R"({"choices":5})", R"({"choices":[1]})", R"({"choices":[{"delta":7}]})"}) {
    const auto parsed = parse_chat_chunk(odd);
    EXPECT_TRUE(!parsed || parsed->text.empty()) << odd;
  }
}

TEST(ChatApi, NamesFailuresWithoutTheKey) {
  const auto refused = chat_failure(401, R"({"error":{"message":"Bad key sk-123."}})", "sk-123");
  EXPECT_FALSE(refused.retryable);
  EXPECT_EQ(refused.message, "The model server refused the key (401): Bad key [secret].");
  EXPECT_TRUE(chat_failure(503, "busy", "").retryable);
  EXPECT_TRUE(chat_failure(429, "slow down", "").retryable);
  EXPECT_FALSE(chat_failure(429, R"({"error":{"message":"You exceeded your quota"}})", "").retryable);
  EXPECT_FALSE(chat_failure(400, "{}", "").retryable);
}

TEST(ChatApi, AdaptsOncePerComplaint) {
  ChatDialect dialect;
  EXPECT_TRUE(adapt_dialect(dialect, 400, "Unknown parameter: 'stream_options'"));
  EXPECT_FALSE(adapt_dialect(dialect, 400, "Unknown parameter: 'stream_options'"));
  EXPECT_TRUE(adapt_dialect(dialect, 400, "use max_completion_tokens"));
  EXPECT_FALSE(adapt_dialect(dialect, 500, "temperature"));
}

TEST(ChatApi, EstimatesTokens) {
  EXPECT_EQ(estimate_tokens(""), 0U);
  EXPECT_EQ(estimate_tokens("abcdefgh"), 2U);
  EXPECT_EQ(estimate_tokens("你好"), 2U);
}

}  // namespace
}  // namespace answermill::generate
