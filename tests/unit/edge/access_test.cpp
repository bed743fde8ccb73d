#include <gtest/gtest.h>

#include <string>

#include "frontend/server/edge/access_policy.h"
#include "frontend/server/edge/admission.h"
#include "frontend/server/edge/token_ring.h"
#include "tests/unit/edge/edge_fixture.h"

namespace answermill::frontend::test {
namespace {

constexpr ListenScope kLoopback{true, false};
constexpr ListenScope kEverywhere{false, true};

TEST(AccessPolicy, AllowsLoopbackAndConfiguredHosts) {
  AccessPolicy policy({"Docs.Example.org", "fd00::1"}, {});
  for (const auto* host : {"localhost", "LOCALHOST:1", "localhost.", "127.0.0.1:8000", "127.9.9.9",
                           "[::1]:8000", "docs.example.org:443", "[fd00::1]:8000"}) {
    EXPECT_TRUE(policy.host_allowed(host, kLoopback)) << host;
  }
  for (const auto* host :
       {"evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "192.168.1.5", "", ":8000",
        "local host", "[::1", "localhost:80x", "localhost@evil.example", "127.0.0.1,evil"}) {
    EXPECT_FALSE(policy.host_allowed(host, kLoopback)) << host;
  }
  EXPECT_TRUE(policy.host_allowed("192.168.1.5:8000", kEverywhere));
  EXPECT_FALSE(policy.host_allowed("evil.example", kEverywhere));
}

TEST(AccessPolicy, ComparesOrigins) {
  AccessPolicy policy({}, {"https://tools.example"});
  EXPECT_TRUE(policy.origin_allowed("", "localhost:8000"));
  EXPECT_TRUE(policy.origin_allowed("http://localhost:8000", "localhost:8000"));
  EXPECT_TRUE(policy.origin_allowed("https://LocalHost:8000", "localhost:8000"));
  EXPECT_TRUE(policy.origin_allowed("https://tools.example", "localhost:8000"));
  EXPECT_FALSE(policy.origin_allowed("null", "localhost:8000"));
  EXPECT_FALSE(policy.origin_allowed("http://localhost:8001", "localhost:8000"));
  EXPECT_FALSE(policy.origin_allowed("http://evil.example", "localhost:8000"));
}

Request from_origin(std::string origin, std::string method = "GET", Headers more = {}) {
  Request request;
  request.method = std::move(method);
  request.headers = std::move(more);
  request.headers.emplace_back("origin", std::move(origin));
  return request;
}

TEST(AccessPolicy, SharesWithConfiguredOriginsOnly) {
  AccessPolicy policy({}, {});
  EXPECT_TRUE(sharing_headers(policy, from_origin("https://a.example")).empty());
  policy.share_with("https://A.example");
  EXPECT_TRUE(policy.origin_allowed("https://a.example", "localhost"));
  EXPECT_FALSE(policy.origin_allowed("https://b.example", "localhost"));
  EXPECT_EQ(policy.sharing_with("https://a.example"), "https://a.example");
  EXPECT_EQ(policy.sharing_with("https://b.example"), "");
  EXPECT_EQ(policy.sharing_with(""), "");
  const Headers refused = sharing_headers(policy, from_origin("https://b.example"));
  ASSERT_EQ(refused.size(), 1U);
  EXPECT_EQ(refused[0].first, "Vary");
  policy.share_with("*");
  EXPECT_EQ(policy.sharing_with("https://b.example"), "*");
}

TEST(ShownToken, IsFoundInThreePlaces) {
  TokenRing tokens;
  const auto shown = [&](std::string query, Headers headers) {
    Request request;
    request.query = std::move(query);
    request.headers = std::move(headers);
    return shown_token(tokens, request).grant != nullptr;
  };
  EXPECT_FALSE(shown("token=", {{"authorization", "Bearer "}}));
  tokens.set_fixed("s3cret");
  EXPECT_TRUE(shown("a=b&token=s3cret", {}));
  EXPECT_TRUE(shown("", {{"authorization", "bearer s3cret"}}));
  EXPECT_TRUE(shown("", {{"cookie", "x=y; answermill_token=s3cret"}}));
  EXPECT_TRUE(shown("token=wrong", {{"authorization", "Bearer s3cret"}}));
  EXPECT_FALSE(shown("", {}));
  EXPECT_FALSE(shown("token=", {{"cookie", "answermill_token=; xanswermill_token=s3cret"}}));
  EXPECT_FALSE(shown("token=s3cre", {{"authorization", "Basic s3cret"}}));
}

TEST(TokenRing, RevokesWhatWentOrChanged) {
  const access::Token reader{"reader", {access::Scope::kRead}, {}, sha256("one"), {}};
  const access::Token asker{"asker", {access::Scope::kAsk}, {}, sha256("two"), {}};
  TokenRing tokens;
  EXPECT_FALSE(tokens.has_file());
  tokens.replace({{reader, asker}, 0});
  EXPECT_TRUE(tokens.has_file());
  const auto one = tokens.find("one");
  const auto two = tokens.find("two");
  ASSERT_TRUE(one && two);
  access::Token changed = reader;
  changed.scopes.add(access::Scope::kWrite);
  tokens.replace({{changed, asker}, 0});
  EXPECT_TRUE(one->revoked);
  EXPECT_FALSE(two->revoked);
  EXPECT_EQ(tokens.find("two"), two);
  EXPECT_FALSE(tokens.find("one")->revoked);
  tokens.replace({});
  EXPECT_TRUE(two->revoked);
  EXPECT_EQ(tokens.find("one"), nullptr);
  EXPECT_TRUE(tokens.has_file());
}

TEST(NeedsToken, OnLoopbackOnceThereIsAFile) {
  TokenRing tokens;
  tokens.set_fixed("s3cret");
  EXPECT_TRUE(needs_token(tokens, kEverywhere, true));
  EXPECT_FALSE(needs_token(tokens, kLoopback, false));
  tokens.replace({});
  EXPECT_TRUE(needs_token(tokens, kLoopback, false));
  EXPECT_FALSE(needs_token(tokens, kLoopback, true));
}

TEST(ClientAddress, IsBelievedOfOurProxiesOnly) {
  const std::vector<std::string> proxies{"127.0.0.1", "10.0.0.2"};
  Request request;
  request.headers = {{"x-forwarded-for", "6.6.6.6, 203.0.113.9"}, {"x-forwarded-for", " 10.0.0.2"}};
  EXPECT_EQ(client_address(proxies, request, "127.0.0.1"), "203.0.113.9");
  EXPECT_EQ(client_address(proxies, request, "198.51.100.1"), "198.51.100.1");
  EXPECT_EQ(client_address({}, request, "127.0.0.1"), "127.0.0.1");
  request.headers = {{"x-forwarded-for", "6.6.6.6, unknown"}};
  EXPECT_EQ(client_address(proxies, request, "127.0.0.1"), "127.0.0.1");
  request.headers.clear();
  EXPECT_EQ(client_address(proxies, request, "127.0.0.1"), "127.0.0.1");
}

void hello(Router& router) {
  const auto answer = [](Request request, ResponderPtr responder) {
    responder->send(200, "text/plain", "query:" + request.query);
  };
  router.route("GET", "/api/hello", answer);
  router.route("POST", "/api/hello", answer);
  router.route("GET", "/healthz", kOpenToAll, answer);
  router.websocket("/ws", {}, echo());
}

TEST(EdgeAccess, RefusesForeignHostsAndOrigins) {
  RunningEdge edge(hello);
  const auto port = edge.port();
  EXPECT_EQ(fetch(port, "GET", "/api/hello", {}, "Host: evil.example\r\n").status, 403);
  EXPECT_EQ(fetch(port, "GET", "http://evil.example/api/hello").status, 403);
  EXPECT_EQ(fetch(port, "POST", "/api/hello", "x", "Origin: http://evil.example\r\n").status, 403);
  EXPECT_EQ(fetch(port, "GET", "/api/hello", {}, "Origin: http://evil.example\r\n").status, 200);
  const std::string own = "Origin: http://localhost:" + std::to_string(port) + "\r\n";
  EXPECT_EQ(fetch(port, "POST", "/api/hello", "x", own).status, 200);
  EXPECT_EQ(WsClient(port, "/ws", own).handshake().status, 101);
  EXPECT_EQ(WsClient(port, "/ws").handshake().status, 101);
  EXPECT_EQ(WsClient(port, "/ws", "Origin: http://evil.example\r\n").handshake().status, 403);
  EXPECT_EQ(WsClient(port, "/ws", "Host: evil.example\r\n").handshake().status, 403);
}

TEST(EdgeAccess, AsksForTheTokenOnlyBeyondLoopback) {
  EdgeConfig config;
  config.listen = {"127.0.0.1:0", "0.0.0.0:0"};
  config.access_token = "s3cret";
  RunningEdge edge(hello, config);
  ASSERT_EQ(edge.ports().size(), 2u);
  const auto inside = edge.ports()[0];
  const auto outside = edge.ports()[1];
  EXPECT_EQ(fetch(inside, "GET", "/api/hello").status, 200);
  const auto refused = fetch(outside, "GET", "/api/hello");
  EXPECT_EQ(refused.status, 401);
  EXPECT_NE(refused.body.find(R"("code":"unauthorized")"), std::string::npos);
  EXPECT_EQ(fetch(outside, "GET", "/healthz").status, 200);
  EXPECT_EQ(fetch(outside, "GET", "/api/hello", {}, "Authorization: Bearer s3cret\r\n").status, 200);
  EXPECT_EQ(fetch(outside, "GET", "/api/hello?a=1&token=s3cret&b=2").body, "query:a=1&b=2");
  EXPECT_EQ(WsClient(outside, "/ws").handshake().status, 401);
  EXPECT_EQ(WsClient(outside, "/ws?token=s3cret").handshake().status, 101);

  const auto visit = fetch(outside, "GET", "/?token=s3cret");
  EXPECT_EQ(visit.status, 303);
  EXPECT_EQ(visit.headers.at("location"), "/");
  const std::string cookie = visit.headers.at("set-cookie");
  EXPECT_NE(cookie.find("; HttpOnly; SameSite=Strict"), std::string::npos);
  const std::string header = "Cookie: " + cookie.substr(0, cookie.find(';')) + "\r\n";
  EXPECT_EQ(fetch(outside, "GET", "/api/hello", {}, header).status, 200);
  EXPECT_EQ(fetch(outside, "GET", "/?token=wrong").status, 401);
  EXPECT_EQ(fetch(outside, "GET", "/?token=wrong", {}, header).headers.count("set-cookie"), 0u);
}

TEST(EdgeAccess, DoesNotListenBeyondLoopbackWithoutAToken) {
  EdgeConfig config;
  config.listen = {"0.0.0.0:0"};
  EXPECT_THROW(RunningEdge(hello, config), std::runtime_error);
}

}  // namespace
}  // namespace answermill::frontend::test
