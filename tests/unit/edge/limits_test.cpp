// Limits and tokens before real sockets.
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/unit/edge/edge_fixture.h"

namespace answermill::frontend::test {
namespace {

using namespace std::chrono_literals;
using access::Scope;

access::Token token(std::string name, std::string_view secret, access::ScopeSet scopes) {
  return {std::move(name), scopes, {}, sha256(secret), {}};
}

std::string bearer(std::string_view secret) {
  return "Authorization: Bearer " + std::string(secret) + "\r\n";
}

// Keeps its answer open until it is let go.
struct Held {
  std::vector<std::shared_ptr<BodyStream>> streams;  // used on the loop only
};

Routes scoped(Held& held) {
  return [&held](Router& router) {
    const auto answer = [](Request request, ResponderPtr responder) {
      responder->send(200, "text/plain", "of:" + request.peer + " query:" + request.query);
    };
    router.route("GET", "/read", kNeedsRead, answer);
    router.route("GET", "/admin", answer);
    router.route("GET", "/healthz", kOpenToAll, answer);
    router.route("POST", "/ask", kAsks, answer);
    router.route("GET", "/v1/models", kNeedsRead, answer);
    router.route("GET", "/stream", kReadsAnswers, [&held](Request, ResponderPtr responder) {
      held.streams.push_back(responder->stream(200, "text/event-stream"));
      held.streams.back()->write("data: 1\n\n");
    });
    router.upload("POST", "/up", kNeedsWrite, [](const Request&, ResponderPtr responder) {
      struct Sink final : BodySink {
        explicit Sink(ResponderPtr to) : responder(std::move(to)) {}
        void on_data(std::string_view, std::function<void()> ready) override { ready(); }
        void on_end() override { responder->send(202, "text/plain", "ok"); }
        void on_abort() override {}
        ResponderPtr responder;
      };
      return std::make_unique<Sink>(std::move(responder));
    });
    router.websocket("/ws", {}, kNeedsAnything, echo());
    router.refuse_with("/v1", [](const Request&, const Refusal& refusal) {
      return RefusalBody{"text/x-openai", std::to_string(refusal.status)};
    });
  };
}

class Limits : public ::testing::Test {
 protected:
  RunningEdge& start(EdgeConfig config = {}) {
    edge_ = std::make_unique<RunningEdge>(scoped(held_), std::move(config));
    return *edge_;
  }
  void TearDown() override {
    if (edge_) edge_->run([this] { held_.streams.clear(); });
    edge_.reset();
  }
  void set(access::TokenList list) {
    edge_->run([&] { edge_->server().set_tokens(list); });
  }
  AccessReport report() {
    AccessReport report;
    edge_->run([&] { report = edge_->server().access(); });
    return report;
  }

  Held held_;
  std::unique_ptr<RunningEdge> edge_;
};

TEST_F(Limits, TokensAreNeededEverywhereOnceThereAreSome) {
  const auto port = start().port();
  EXPECT_EQ(fetch(port, "GET", "/admin").status, 200);
  set({{token("reader", "one", {Scope::kRead}), token("boss", "two", {Scope::kAdmin})}, 0});
  const auto refused = fetch(port, "GET", "/read");
  EXPECT_EQ(refused.status, 401);
  EXPECT_EQ(refused.headers.at("www-authenticate"), "Bearer");
  EXPECT_EQ(fetch(port, "GET", "/read", {}, bearer("wrong")).status, 401);
  EXPECT_EQ(fetch(port, "GET", "/healthz").status, 200);
  EXPECT_EQ(fetch(port, "GET", "/read", {}, bearer("one")).status, 200);
  EXPECT_EQ(fetch(port, "GET", "/read?a=1&token=one").body, "of:127.0.0.1 query:a=1");
  const auto lacking = fetch(port, "POST", "/up", "x", bearer("one"));
  EXPECT_EQ(lacking.status, 403);
  EXPECT_NE(lacking.body.find(R"("scope":"write")"), std::string::npos);
  EXPECT_EQ(lacking.headers.at("www-authenticate"), R"(Bearer error="insufficient_scope", scope="write")");
  EXPECT_EQ(fetch(port, "GET", "/admin", {}, bearer("one")).status, 403);
  EXPECT_EQ(fetch(port, "GET", "/admin", {}, bearer("two")).status, 200);
  EXPECT_EQ(fetch(port, "GET", "/?token=one").status, 303);
  EXPECT_EQ(WsClient(port, "/ws").handshake().status, 401);
  EXPECT_EQ(WsClient(port, "/ws?token=one").handshake().status, 101);
  EXPECT_EQ(fetch(port, "GET", "/v1/models").headers.at("content-type"), "text/x-openai");
  set({});
  EXPECT_EQ(fetch(port, "GET", "/read", {}, bearer("one")).status, 401);
  EXPECT_EQ(fetch(port, "GET", "/read").status, 401);
  EXPECT_TRUE(report().token_required);
  EXPECT_EQ(report().refused.forbidden, 2U);
}

TEST_F(Limits, ARevokedTokenLosesItsConnections) {
  const auto port = start().port();
  set({{token("asker", "one", {Scope::kAsk}), token("other", "two", {Scope::kAsk})}, 0});
  WsClient socket(port, "/ws?token=one");
  WsClient other(port, "/ws?token=two");
  Client stream(port);
  stream.send("GET /stream HTTP/1.1\r\nHost: localhost\r\n" + bearer("one") + "\r\n");
  ASSERT_NE(stream.read_until("data: 1\n\n\r\n"), "");
  set({{token("other", "two", {Scope::kAsk})}, 0});
  EXPECT_EQ(socket.read().close_code(), 1008);
  EXPECT_TRUE(stream.at_end());
  other.send(1, "still here");
  EXPECT_EQ(other.read().payload, "still here");
}

TEST_F(Limits, OpenLoopbackNeedsNoToken) {
  EdgeConfig config;
  config.open_loopback = true;
  config.listen = {"127.0.0.1:0", "0.0.0.0:0"};
  config.access_token = "s3cret";
  start(config);
  set({{token("reader", "one", {Scope::kRead})}, 0});
  EXPECT_EQ(fetch(edge_->ports()[0], "GET", "/admin").status, 200);
  EXPECT_EQ(fetch(edge_->ports()[0], "GET", "/admin", {}, bearer("one")).status, 403);
  EXPECT_EQ(fetch(edge_->ports()[1], "GET", "/read").status, 401);
  EXPECT_EQ(fetch(edge_->ports()[1], "GET", "/read", {}, bearer("one")).status, 200);
}

TEST_F(Limits, RequestsAMinute) {
  EdgeConfig config;
  config.usage.requests_per_minute = 5;
  const auto port = start(config).port();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(fetch(port, "GET", "/read").status, 200);  // this machine's own
  set({{token("a", "one", {Scope::kRead}), token("b", "two", {Scope::kRead})}, 0});
  for (int i = 0; i < 5; ++i) EXPECT_EQ(fetch(port, "GET", "/read", {}, bearer("one")).status, 200);
  const auto refused = fetch(port, "GET", "/read", {}, bearer("one"));
  EXPECT_EQ(refused.status, 429);
  const int seconds = std::stoi(refused.headers.at("retry-after"));
  EXPECT_GE(seconds, 1);
  EXPECT_LE(seconds, 12);
  EXPECT_NE(refused.body.find(R"("code":"rate_limited")"), std::string::npos);
  EXPECT_NE(refused.body.find(R"("retry_after":)"), std::string::npos);
  EXPECT_EQ(fetch(port, "GET", "/healthz").status, 200);
  EXPECT_EQ(fetch(port, "GET", "/read", {}, bearer("two")).status, 200);
  EXPECT_EQ(report().refused.requests, 1U);
}

TEST_F(Limits, TheSharedTokenIsCountedByAddress) {
  EdgeConfig config;
  config.usage.requests_per_minute = 2;
  config.usage.connections_per_token = 1;
  config.access_token = "s3cret";
  config.trusted_proxies = {"127.0.0.1"};
  const auto port = start(config).port();
  const auto from = [](std::string_view address) {
    return bearer("s3cret") + "X-Forwarded-For: " + std::string(address) + "\r\n";
  };
  WsClient one(port, "/ws", from("203.0.113.1"));
  EXPECT_EQ(one.handshake().status, 101);
  EXPECT_EQ(WsClient(port, "/ws", from("203.0.113.1")).handshake().status, 101);
  EXPECT_EQ(fetch(port, "GET", "/read", {}, from("203.0.113.1")).status, 429);
  EXPECT_EQ(fetch(port, "GET", "/read", {}, from("203.0.113.2")).status, 200);
}

TEST_F(Limits, GuessesAreRequests) {
  EdgeConfig config;
  config.usage.requests_per_minute = 3;
  config.limit_loopback = true;
  const auto port = start(config).port();
  set({});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(fetch(port, "GET", "/read", {}, bearer("guess")).status, 401);
  EXPECT_EQ(fetch(port, "GET", "/read", {}, bearer("guess")).status, 429);
}

TEST_F(Limits, QuestionsAMinute) {
  EdgeConfig config;
  config.usage.questions_per_minute = 2;
  config.limit_loopback = true;
  const auto port = start(config).port();
  EXPECT_EQ(fetch(port, "POST", "/ask", "x").status, 200);
  EXPECT_EQ(fetch(port, "POST", "/ask", "x").status, 200);
  const auto refused = fetch(port, "POST", "/ask", "x");
  EXPECT_EQ(refused.status, 429);
  EXPECT_GE(std::stoi(refused.headers.at("retry-after")), 20);
  EXPECT_EQ(fetch(port, "GET", "/read").status, 200);
}

TEST_F(Limits, ClientsBehindAProxyAreCountedOneByOne) {
  EdgeConfig config;
  config.usage.requests_per_minute = 1;
  config.usage.connections_per_address = 1;
  config.trusted_proxies = {"127.0.0.1"};
  const auto port = start(config).port();
  EXPECT_EQ(fetch(port, "GET", "/read", {}, "X-Forwarded-For: 203.0.113.9\r\n").body,
            "of:203.0.113.9 query:");
  EXPECT_EQ(fetch(port, "GET", "/read", {}, "X-Forwarded-For: 203.0.113.9\r\n").status, 429);
  EXPECT_EQ(fetch(port, "GET", "/read", {}, "X-Forwarded-For: 203.0.113.8\r\n").status, 200);
  WsClient one(port, "/ws", "X-Forwarded-For: 203.0.113.1\r\n");
  EXPECT_EQ(one.handshake().status, 101);
  EXPECT_EQ(WsClient(port, "/ws", "X-Forwarded-For: 203.0.113.2\r\n").handshake().status, 101);
}

TEST_F(Limits, ConnectionsOfAnAddress) {
  EdgeConfig config;
  config.usage.connections_per_address = 3;
  config.limit_loopback = true;
  const auto port = start(config).port();
  std::vector<std::unique_ptr<WsClient>> open;
  for (int i = 0; i < 3; ++i) open.push_back(std::make_unique<WsClient>(port, "/ws"));
  for (const auto& socket : open) EXPECT_EQ(socket->handshake().status, 101);
  Client refused(port);
  const auto answer = refused.answer();
  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(answer.headers.at("retry-after"), "5");
  EXPECT_TRUE(refused.at_end());
  open.front()->send(8, "");
  open.front()->read();
  EXPECT_TRUE(open.front()->client().at_end());
  open.erase(open.begin());
  // The server's side of that connection may take a moment longer to go.
  for (int i = 0; i < 500 && report().connections > 2; ++i) std::this_thread::sleep_for(5ms);
  EXPECT_EQ(WsClient(port, "/ws").handshake().status, 101);
}

TEST_F(Limits, ConnectionsOfAToken) {
  EdgeConfig config;
  config.usage.connections_per_token = 1;
  const auto port = start(config).port();
  set({{token("a", "one", {Scope::kRead}), token("b", "two", {Scope::kRead})}, 0});
  WsClient first(port, "/ws?token=one");
  EXPECT_EQ(first.handshake().status, 101);
  const WsClient second(port, "/ws?token=one");
  EXPECT_EQ(second.handshake().status, 429);
  EXPECT_EQ(second.handshake().headers.at("retry-after"), "5");
  EXPECT_EQ(WsClient(port, "/ws?token=two").handshake().status, 101);
}

TEST_F(Limits, OpenAnswersOfAClient) {
  EdgeConfig config;
  config.usage.open_answers = 1;
  const auto port = start(config).port();
  set({{token("a", "one", {Scope::kAsk}), token("b", "two", {Scope::kAsk})}, 0});
  const std::string request = "GET /stream HTTP/1.1\r\nHost: localhost\r\n" + bearer("one") + "\r\n";
  Client first(port);
  first.send(request);
  ASSERT_NE(first.read_until("data: 1\n\n"), "");
  EXPECT_EQ(fetch(port, "GET", "/stream", {}, bearer("one")).status, 429);
  Client other(port);
  other.send("GET /stream HTTP/1.1\r\nHost: localhost\r\n" + bearer("two") + "\r\n");
  EXPECT_NE(other.read_until("data: 1\n\n"), "");
  edge_->run([this] { held_.streams.front()->end(); });
  first.read_until("\r\n0\r\n\r\n");
  first.send(request);
  EXPECT_NE(first.read_until("data: 1\n\n"), "");
}

TEST_F(Limits, AnUploadThatTricklesIsEnded) {
  EdgeConfig config;
  config.limits.upload_bytes_per_second = 1000;
  config.limits.upload_rate_window = 200ms;
  config.limits.header_timeout = 40ms;  // so that it looks every 10 ms
  const auto port = start(config).port();
  Client client(port);
  client.send("POST /up HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n");
  // Never silent for the body timeout, and never fast enough.
  for (int i = 0; i < 1000 && report().refused.slow_uploads == 0; ++i) {
    if (!client.try_send("x")) break;
    std::this_thread::sleep_for(5ms);
  }
  EXPECT_EQ(client.answer().status, 408);
  EXPECT_EQ(report().refused.slow_uploads, 1U);
}

TEST_F(Limits, AnUploadThatIsFastEnoughIsLeftAlone) {
  EdgeConfig config;
  config.limits.upload_bytes_per_second = 1000;
  config.limits.upload_rate_window = 50ms;
  config.limits.header_timeout = 40ms;
  const auto port = start(config).port();
  Client client(port);
  client.send("POST /up HTTP/1.1\r\nHost: localhost\r\nContent-Length: 40000\r\n\r\n");
  for (int i = 0; i < 40; ++i) {
    client.send(std::string(1000, 'x'));
    std::this_thread::sleep_for(5ms);
  }
  EXPECT_EQ(client.answer().status, 202);
}

// One byte at a time, each well within any silence: the header has a time as a whole.
TEST_F(Limits, ASlowHeaderIsEnded) {
  EdgeConfig config;
  config.limits.header_timeout = 100ms;
  const auto port = start(config).port();
  Client client(port);
  client.send("GET /read HTTP/1.1\r\nX-Slow: ");
  for (int i = 0; i < 1000 && report().refused.slow_requests == 0; ++i) {
    if (!client.try_send("x")) break;
    std::this_thread::sleep_for(2ms);
  }
  EXPECT_EQ(client.answer().status, 408);
  EXPECT_EQ(report().refused.slow_requests, 1U);
}

TEST_F(Limits, AWebSocketThatOnlyAnswersPingsIsClosed) {
  EdgeConfig config;
  config.limits.ping_interval = 40ms;
  config.limits.websocket_idle_timeout = 200ms;
  const auto port = start(config).port();
  WsClient socket(port, "/ws");
  ASSERT_EQ(socket.handshake().status, 101);
  int pings = 0;
  Frame frame = socket.read();
  for (; frame.opcode == 9; frame = socket.read()) {
    ++pings;
    socket.send(10, frame.payload);
  }
  EXPECT_GT(pings, 0);
  EXPECT_EQ(frame.close_code(), 1001);
  EXPECT_EQ(report().refused.idle, 1U);
}

}  // namespace
}  // namespace answermill::frontend::test
