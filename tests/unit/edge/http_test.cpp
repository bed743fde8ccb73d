#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <string>

#include "tests/unit/edge/edge_fixture.h"

namespace answermill::frontend::test {
namespace {

using std::chrono::milliseconds;

void plain_routes(Router& router) {
  router.route("GET", "/api/hello", [](Request request, ResponderPtr responder) {
    responder->send(200, "text/plain", "hello " + request.query_value("name").value_or("nobody"));
  });
  router.route("GET", "/api/things/{id}/parts/{part}", [](Request request, ResponderPtr responder) {
    responder->send(200, "text/plain", request.captures.at(0) + "|" + request.captures.at(1));
  });
  router.route("POST", "/api/echo", [](Request request, ResponderPtr responder) {
    responder->send(200, "text/plain", request.body, {{"X-Length", std::to_string(request.body.size())}});
  });
  router.route("GET", "/api/dropped", [](Request, ResponderPtr) {});
}

std::string get(std::string_view path, std::string_view headers = "") {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\n" + std::string(headers) + "\r\n";
}

TEST(EdgeHttp, AnswersAndKeepsTheConnection) {
  RunningEdge edge(plain_routes);
  Client client(edge.port());
  for (int i = 0; i < 3; ++i) {
    client.send(get("/api/hello?name=J%C3%B6rg+B"));
    const auto answer = client.answer();
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, "hello J\xC3\xB6rg B");
    EXPECT_EQ(answer.headers.count("connection"), 0u);
    EXPECT_EQ(answer.headers.at("x-content-type-options"), "nosniff");
  }
}

TEST(EdgeHttp, AnswersPipelinedRequestsInOrder) {
  RunningEdge edge(plain_routes);
  Client client(edge.port());
  std::string all;
  for (int i = 0; i < 500; ++i) all += get("/api/hello?name=" + std::to_string(i));
  client.send(all);
  for (int i = 0; i < 500; ++i) ASSERT_EQ(client.answer().body, "hello " + std::to_string(i));
}

TEST(EdgeHttp, AnswersPipelinedRequestsThatAreAnsweredLater) {
  std::vector<ResponderPtr> waiting;
  RunningEdge edge([&](Router& router) {
    plain_routes(router);
    router.route("GET", "/api/later",
                 [&](Request, ResponderPtr responder) { waiting.push_back(std::move(responder)); });
  });
  Client client(edge.port());
  client.send(get("/api/later") + get("/api/hello?name=2"));
  while (true) {
    bool arrived = false;
    edge.run([&] { arrived = !waiting.empty(); });
    if (arrived) break;
  }
  edge.run([&] { waiting.front()->send(200, "text/plain", "1"); });
  EXPECT_EQ(client.answer().body, "1");
  EXPECT_EQ(client.answer().body, "hello 2");
}

TEST(EdgeHttp, HalfClosedClientsGetAllTheirAnswers) {
  RunningEdge edge(plain_routes);
  Client client(edge.port());
  client.send(get("/api/hello?name=1") + get("/api/hello?name=2"));
  client.half_close();
  EXPECT_EQ(client.answer().body, "hello 1");
  EXPECT_EQ(client.answer().body, "hello 2");
  EXPECT_TRUE(client.at_end());
}

TEST(EdgeHttp, MatchesCapturesWithEscapedSlashes) {
  RunningEdge edge(plain_routes);
  EXPECT_EQ(fetch(edge.port(), "GET", "/api/things/a%2Fb/parts/%C3%A9").body, "a/b|\xC3\xA9");
}

TEST(EdgeHttp, AnswersHeadWithoutABody) {
  RunningEdge edge(plain_routes);
  Client client(edge.port());
  client.send("HEAD /api/hello HTTP/1.1\r\nHost: localhost\r\n\r\n" + get("/api/hello"));
  const auto head = client.answer(true);
  EXPECT_EQ(head.headers.at("content-length"), "12");
  EXPECT_EQ(client.answer().body, "hello nobody");
}

TEST(EdgeHttp, NamesAllowedMethodsAndUnknownPaths) {
  RunningEdge edge(plain_routes);
  const auto wrong = fetch(edge.port(), "DELETE", "/api/hello");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.headers.at("allow"), "GET, HEAD");
  const auto missing = fetch(edge.port(), "GET", "/api/nothing", {}, "Accept: text/html\r\n");
  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(
      missing.body,
      R"({"error":{"code":"not_found","message":"There is nothing at this address.","retryable":false}})");
  const auto page = fetch(edge.port(), "GET", "/nothing", {}, "Accept: text/html\r\n");
  EXPECT_EQ(page.status, 404);
  EXPECT_EQ(page.headers.at("content-type"), "text/html; charset=utf-8");
}

TEST(EdgeHttp, SaysSoWhenAHandlerForgetsToAnswer) {
  RunningEdge edge(plain_routes);
  EXPECT_EQ(fetch(edge.port(), "GET", "/api/dropped").status, 500);
}

TEST(EdgeHttp, ReadsBodiesOfBothKinds) {
  RunningEdge edge(plain_routes);
  const std::string body(100'000, 'x');
  EXPECT_EQ(fetch(edge.port(), "POST", "/api/echo", body).body, body);
  Client client(edge.port());
  client.send("POST /api/echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (const char c : std::string("5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nX-Trailer: a\r\n\r\n")) {
    client.send(std::string(1, c));
  }
  EXPECT_EQ(client.answer().body, "hello world");
}

TEST(EdgeHttp, RefusesBodiesBeyondTheLimitAndTheClientSeesIt) {
  EdgeConfig config;
  config.limits.body_bytes = 1000;
  RunningEdge edge(plain_routes, config);
  EXPECT_EQ(fetch(edge.port(), "POST", "/api/echo", std::string(5'000'000, 'x')).status, 413);
  Client client(edge.port());
  client.send("POST /api/echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n");
  client.send(std::string(0xffff, 'x') + "\r\n0\r\n\r\n");
  EXPECT_EQ(client.answer().status, 413);
}

TEST(EdgeHttp, KeepsTheConnectionAfterASmallRefusedBody) {
  RunningEdge edge(plain_routes);
  Client client(edge.port());
  client.send("POST /api/nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello" +
              get("/api/hello"));
  EXPECT_EQ(client.answer().status, 404);
  EXPECT_EQ(client.answer().body, "hello nobody");
}

TEST(EdgeHttp, RefusesWhatIsMalformed) {
  RunningEdge edge(plain_routes);
  const std::vector<std::pair<std::string, int>> cases = {
      {"rubbish\r\n\r\n", 400},
      {"GET /api/hello HTTP/1.1\r\n\r\n", 400},                                        // no Host
      {"GET /api/hello HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400},  // two
      {"GET /api/%zz HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
      {"GET /api/%00 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
      {"GET api HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
      {"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", 505},
      {"GET / HTTP/1.1\r\nHost: localhost\r\nBad Header: x\r\n\r\n", 400},
      {"POST /api/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n", 400},
      {"POST /api/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: "
       "chunked\r\n\r\n",
       400},
      {"POST /api/echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n", 400},
      {"POST /api/echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
      {"POST /api/echo HTTP/1.1\r\nHost: localhost\r\nExpect: magic\r\nContent-Length: 1\r\n\r\nx", 417},
      {"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(40'000, 'x') + "\r\n\r\n", 431},
  };
  for (const auto& [request, status] : cases) {
    Client client(edge.port());
    client.send(request);
    EXPECT_EQ(client.answer().status, status) << request.substr(0, 100);
  }
}

TEST(EdgeHttp, AnswersHttp10AndClosesUnlessAsked) {
  RunningEdge edge(plain_routes);
  Client client(edge.port());
  client.send("GET /api/hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(client.answer().headers.at("connection"), "keep-alive");
  client.send("GET /api/hello HTTP/1.0\r\n\r\n");
  EXPECT_EQ(client.answer().body, "hello nobody");
  EXPECT_TRUE(client.at_end());
}

TEST(EdgeHttp, EndsSlowHeadersAndSlowBodies) {
  EdgeConfig config;
  config.limits.header_timeout = milliseconds(40);
  config.limits.body_timeout = milliseconds(40);
  RunningEdge edge(plain_routes, config);
  Client header(edge.port());
  header.send("GET / HT");
  EXPECT_EQ(header.answer().status, 408);
  header.half_close();
  EXPECT_TRUE(header.at_end());
  Client body(edge.port());
  body.send("POST /api/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhell");
  EXPECT_EQ(body.answer().status, 408);
}

TEST(EdgeHttp, ClosesIdleConnections) {
  EdgeConfig config;
  config.limits.keep_alive_timeout = milliseconds(40);
  RunningEdge edge(plain_routes, config);
  Client client(edge.port());
  EXPECT_TRUE(client.at_end());
}

TEST(EdgeHttp, CannotBeMadeToSplitAnAnswer) {
  RunningEdge edge([](Router& router) {
    router.route("GET", "/", [](Request request, ResponderPtr responder) {
      responder->send(200, "text/plain", "x", {{"X-Back", request.query_value("v").value_or("")}});
    });
  });
  const auto answer = fetch(edge.port(), "GET", "/?v=a%0d%0aX-Evil:%20b");
  EXPECT_EQ(answer.headers.at("x-back"), "aX-Evil: b");
  EXPECT_EQ(answer.headers.count("x-evil"), 0u);
}

TEST(EdgeHttp, TurnsConnectionsAwayBeyondTheLimit) {
  EdgeConfig config;
  config.limits.connections = 1;
  RunningEdge edge(plain_routes, config);
  Client first(edge.port());
  first.send(get("/api/hello"));
  EXPECT_EQ(first.answer().status, 200);
  Client second(edge.port());
  EXPECT_EQ(second.answer().status, 503);
}

}  // namespace
}  // namespace answermill::frontend::test
