#include <gtest/gtest.h>

#include <future>

#include "shared/http/client.h"
#include "tests/unit/http/local_server.h"
#include "workers/embed/embedder.h"

namespace answermill::embed {
namespace {

std::string reply(int status, const std::string& body) {
  return "HTTP/1.1 " + std::to_string(status) +
         " X\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\nConnection: close\r\n\r\n" + body;
}

const char kTwo[] = R"({"data":[{"index":0,"embedding":[1,0]},{"index":1,"embedding":[0,1]}]})";
const char kOne[] = R"({"data":[{"index":0,"embedding":[3,4]}]})";

class RemoteEmbedder : public testing::Test {
 protected:
  Result<std::vector<float>> embed(http::LocalServer& server, std::vector<std::string> texts,
                                   CancelFlag flag = {}) {
    config_.base_url = server.url() + "/v1/";
    config_.first_retry = std::chrono::milliseconds(1);
    const auto embedder = make_remote_embedder(client_, config_);
    std::promise<Result<std::vector<float>>> done;
    embedder->embed(std::move(texts), TextKind::kPassage, std::move(flag),
                    [&](Result<std::vector<float>> vectors) { done.set_value(std::move(vectors)); });
    auto result = done.get_future().get();
    dimension_ = embedder->dimension();
    return result;
  }
  http::Client client_;
  RemoteConfig config_;
  std::uint32_t dimension_ = 0;
};

TEST_F(RemoteEmbedder, SendsBatchesWithTheKey) {
  std::atomic<int> calls{0};
  http::LocalServer server([&](http::Connection& c) {
    const std::string request = c.read_request();
    EXPECT_NE(request.find("POST /v1/embeddings "), std::string::npos);
    EXPECT_NE(request.find("Authorization: Bearer sk"), std::string::npos);
    c.write(reply(200, ++calls == 1 ? kTwo : kOne));
  });
  config_.key = "sk";
  config_.batch_texts = 2;
  const auto vectors = embed(server, {"a", "b", "c"});
  ASSERT_TRUE(vectors) << vectors.error().message;
  EXPECT_EQ(*vectors, (std::vector<float>{1, 0, 0, 1, 0.6F, 0.8F}));
  EXPECT_EQ(dimension_, 2U);
  EXPECT_EQ(calls, 2);
}

TEST_F(RemoteEmbedder, RemembersQuestions) {
  std::atomic<int> calls{0};
  http::LocalServer server([&](http::Connection& c) {
    c.read_request();
    ++calls;
    c.write(reply(200, kOne));
  });
  config_.base_url = server.url() + "/v1/";
  const auto embedder = make_remembering_embedder(make_remote_embedder(client_, config_), 2);
  const auto ask = [&](const char* text, TextKind kind) {
    std::promise<Result<std::vector<float>>> done;
    embedder->embed({text}, kind, {},
                    [&](Result<std::vector<float>> vectors) { done.set_value(std::move(vectors)); });
    auto vectors = done.get_future().get();
    return vectors && *vectors == std::vector<float>{0.6F, 0.8F};
  };
  EXPECT_TRUE(ask("a", TextKind::kQuery));
  EXPECT_TRUE(ask("a", TextKind::kQuery));
  EXPECT_EQ(calls, 1);
  EXPECT_TRUE(ask("a", TextKind::kPassage));
  EXPECT_EQ(calls, 2);
  EXPECT_TRUE(ask("b", TextKind::kQuery));
  EXPECT_TRUE(ask("a", TextKind::kQuery));
  EXPECT_TRUE(ask("c", TextKind::kQuery));  // "b" was used longest ago
  EXPECT_EQ(calls, 4);
  EXPECT_TRUE(ask("a", TextKind::kQuery));
  EXPECT_EQ(calls, 4);
  EXPECT_TRUE(ask("b", TextKind::kQuery));
  EXPECT_EQ(calls, 5);
}

TEST_F(RemoteEmbedder, RetriesWhatMayPassAndNamesWhatDoesNot) {
  std::atomic<int> calls{0};
  http::LocalServer flaky([&](http::Connection& c) {
    c.read_request();
    const int call = ++calls;
    c.write(call == 1 ? reply(429, "{}") : call == 2 ? reply(503, "{}") : reply(200, kOne));
  });
  EXPECT_TRUE(embed(flaky, {"a"}));
  EXPECT_EQ(calls, 3);
  http::LocalServer refusing([&](http::Connection& c) {
    c.read_request();
    ++calls;
    c.write(reply(401, R"({"error":{"message":"bad key sk-9"}})"));
  });
  config_.key = "sk-9";
  calls = 0;
  const auto refused = embed(refusing, {"a"});
  EXPECT_EQ(refused.error().code, ErrorCode::kUnauthorized);
  EXPECT_EQ(refused.error().message, "The embedding server answered 401: bad key [secret]");
  EXPECT_EQ(calls, 1);
}

TEST_F(RemoteEmbedder, RefusesAnotherDimensionThanConfigured) {
  http::LocalServer server([&](http::Connection& c) {
    c.read_request();
    c.write(reply(200, kOne));
  });
  config_.dimension = 3;
  EXPECT_EQ(embed(server, {"a"}).error().code, ErrorCode::kInvalidArgument);
}

TEST_F(RemoteEmbedder, StopsWhenCancelled) {
  http::LocalServer server([&](http::Connection& c) { c.read_request(); });
  EXPECT_EQ(embed(server, {"a"}, std::make_shared<std::atomic<bool>>(true)).error().code,
            ErrorCode::kCancelled);
}

}  // namespace
}  // namespace answermill::embed
