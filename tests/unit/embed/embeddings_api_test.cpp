#include "workers/embed/embeddings_api.h"

#include <gtest/gtest.h>

namespace answermill::embed {
namespace {

TEST(EmbeddingsApi, WritesTextsAndNeverAnEmptyOne) {
  EXPECT_EQ(embeddings_request("m", {"a", ""}),
            R"({"encoding_format":"float","input":["a"," "],"model":"m"})");
}

TEST(EmbeddingsApi, PutsVectorsInOrderAtUnitLength) {
  const auto v =
      parse_embeddings(R"({"data":[{"index":1,"embedding":[0,2]},{"index":0,"embedding":[3,4]}]})", 2);
  ASSERT_TRUE(v);
  EXPECT_EQ(*v, (std::vector<float>{0.6F, 0.8F, 0, 1}));
}

TEST(EmbeddingsApi, RefusesWhatDoesNotFit) {
  for (const char* body : {"", "[]", "{}", R"({"data":7})", R"({"data":[]})",
                           R"({"data":[{"embedding":[]}]})", R"({"data":[{"embedding":["x"]}]})",
                           R"({"data":[1]})", R"({"data":[{"index":5,"embedding":[1]}]})"}) {
    const auto v = parse_embeddings(body, 1);
    ASSERT_FALSE(v) << body;
    EXPECT_EQ(v.error().code, ErrorCode::kUpstream);
  }
  EXPECT_FALSE(parse_embeddings(R"({"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[1]}]})", 2));
  EXPECT_FALSE(
      parse_embeddings(R"({"data":[{"index":0,"embedding":[1]},{"index":1,"embedding":[1,2]}]})", 2));
}

TEST(EmbeddingsApi, FindsTheServersWords) {
  EXPECT_EQ(error_message_of(R"({"error":{"message":"no"}})"), "no");
  EXPECT_EQ(error_message_of(R"({"error":"no"})"), "no");
  EXPECT_EQ(error_message_of("<html>"), "");
}

}  // namespace
}  // namespace answermill::embed
