// What RFC 9110 and RFC 9112 demand of a server that strangers speak to, as a table: bytes on a fresh
// connection, the answers to them, and whether the connection may be used again.
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "tests/unit/edge/edge_fixture.h"

namespace answermill::frontend::test {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kGood = "GET /good HTTP/1.1\r\nHost: localhost\r\n\r\n";

void routes(Router& router) {
  router.route("GET", "/good", [](Request request, ResponderPtr responder) {
    responder->send(200, "text/plain", std::string(request.header("x-back")));
  });
  router.route("POST", "/echo", [](Request request, ResponderPtr responder) {
    responder->send(200, "text/plain", request.body);
  });
}

enum class Then { kCloses, kStays };

struct Case {
  std::string name;
  std::string bytes;
  std::vector<int> answers;  // every one, in order; 100s included
  Then then = Then::kCloses;
  std::string last_body{};  // of a 200
};

std::string get(std::string_view target, std::string_view headers = "Host: localhost\r\n") {
  return "GET " + std::string(target) + " HTTP/1.1\r\n" + std::string(headers) + "\r\n";
}

std::string post(std::string_view headers, std::string_view body = "") {
  return "POST /echo HTTP/1.1\r\nHost: localhost\r\n" + std::string(headers) + "\r\n" + std::string(body);
}

std::string chunked(std::string_view body) { return post("Transfer-Encoding: chunked\r\n", body); }

bool is_head(const Case& test) { return test.bytes.starts_with("HEAD"); }

void check(const RunningEdge& edge, const Case& test) {
  SCOPED_TRACE(test.name);
  Client client(edge.port());
  client.send(test.bytes);
  HttpAnswer answer;
  for (const int status : test.answers) {
    answer = client.answer(is_head(test));
    ASSERT_EQ(answer.status, status);
    if (status >= 400 && !is_head(test)) {
      EXPECT_NE(answer.body.find(R"({"error":{"code":)"), std::string::npos) << answer.body;
    }
  }
  if (!test.last_body.empty()) {
    EXPECT_EQ(answer.body, test.last_body);
  }
  if (test.then == Then::kCloses) {
    EXPECT_TRUE(client.at_end()) << "nothing more may be read from this connection";
    return;
  }
  client.send(kGood);
  EXPECT_EQ(client.answer().status, 200) << "the connection is as good as new";
}

std::size_t descriptors() {
  const std::filesystem::directory_iterator open("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(open), end(open)));
}

// Runs all, then insists that nothing of them is left.
void check_all(const std::vector<Case>& cases) {
  RunningEdge edge(routes);
  const std::size_t before = descriptors();
  for (const Case& test : cases) check(edge, test);
  std::size_t open = 1;
  const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (open > 0 && std::chrono::steady_clock::now() < patience) {
    edge.run([&] { open = edge.server().connections(); });
    std::this_thread::yield();
  }
  EXPECT_EQ(open, 0U) << "a connection was kept";
  EXPECT_EQ(descriptors(), before) << "a descriptor was kept";
}

// A request whose end two readers could see at different places ends the connection, and what follows it is
// never taken for another request.
TEST(HttpConformance, RefusesWhatCouldSmuggleARequest) {
  const std::string tail(kGood);
  check_all({
      {"length and chunks",
       post("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n" + tail),
       {400}},
      {"chunks and length",
       post("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", "0\r\n\r\n" + tail),
       {400}},
      {"two lengths", post("Content-Length: 4\r\nContent-Length: 5\r\n", "hello" + tail), {400}},
      {"two equal lengths", post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello" + tail), {400}},
      {"a list of lengths", post("Content-Length: 5, 5\r\n", "hello" + tail), {400}},
      {"identity last", post("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n" + tail), {400}},
      {"gzip first", post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n" + tail), {400}},
      {"identity alone", post("Transfer-Encoding: identity\r\n", tail), {400}},
      {"xchunked", post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n" + tail), {400}},
      {"chunked twice", post("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n" + tail), {400}},
      {"chunked on two lines",
       post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n" + tail),
       {400}},
      {"quoted", post("Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n" + tail), {400}},
      {"vertical tab",
       post("Transfer-Encoding: \x0b"
            "chunked\r\n",
            "0\r\n\r\n" + tail),
       {400}},
      {"chunks in HTTP/1.0",
       "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + tail,
       {400}},
      {"space before the colon", post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n" + tail), {400}},
      {"tab before the colon", post("Content-Length\t: 5\r\n", "hello" + tail), {400}},
      {"space before a name", post(" Content-Length: 5\r\n", "hello" + tail), {400}},
      {"bare LF", "POST /echo HTTP/1.1\nHost: localhost\nContent-Length: 5\n\nhello" + tail, {400}},
      {"bare LF in a header", post("X: a\nContent-Length: 5\r\n", "hello" + tail), {400}},
      {"bare CR in a header", post("X: a\rContent-Length: 5\r\n", "hello" + tail), {400}},
      {"NUL in a value", post(std::string("X: a\0b\r\n", 8), tail), {400}},
      {"NUL in a name", post(std::string("X\0Y: a\r\n", 8), tail), {400}},
  });
}

TEST(HttpConformance, RefusesWrongLengths) {
  std::vector<Case> cases;
  for (const char* length : {"-1", "+5", "5a", "0x5", "5 5", "", "1e3", "18446744073709551616",
                             "99999999999999999999999999", "\"5\"", "5;", "\xd9\xa5"}) {
    cases.push_back({std::string("length ") + length,
                     post("Content-Length: " + std::string(length) + "\r\n", "hello" + std::string(kGood)),
                     {400}});
  }
  for (const char* length : {"9223372036854775807", "9223372036854775808", "18446744073709551615"}) {
    cases.push_back({length, post("Content-Length: " + std::string(length) + "\r\n", "hello"), {413}});
  }
  check_all(cases);
}

TEST(HttpConformance, RefusesWrongChunks) {
  std::vector<Case> cases;
  for (const char* size : {"zz", "-1", "+5", "0x5", " 5", "5 5", "", ";x", "5\n", "\r\n", "g",
                           "FFFFFFFFFFFFFFFFF", "10000000000000000", "5;x\ny"}) {
    cases.push_back({std::string("chunk size ") + size,
                     chunked(std::string(size) + "\r\nhello\r\n0\r\n\r\n" + std::string(kGood)),
                     {400}});
  }
  cases.push_back(
      {"a length behind the chunks", chunked("5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n"), {400}});
  cases.push_back({"longer than it says", chunked("5\r\nhellox\r\n0\r\n\r\n"), {400}});
  cases.push_back({"LF behind the data", chunked("5\r\nhello\n0\r\n\r\n"), {400}});
  cases.push_back({"an endless extension", chunked("5;" + std::string(64 * 1024, 'x')), {400}});
  cases.push_back({"endless zeros", chunked(std::string(64 * 1024, '0')), {400}});
  cases.push_back({"a huge chunk", chunked("7FFFFFFFFFFFFFFF\r\nhello"), {413}});
  check_all(cases);
}

TEST(HttpConformance, ReadsChunksWithAllTheirTrimmings) {
  check_all({
      {"upper and lower case",
       chunked("a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n"),
       {200},
       Then::kStays,
       "01234567890123456789"},
      {"leading zeros", chunked("0005\r\nhello\r\n000\r\n\r\n"), {200}, Then::kStays, "hello"},
      {"extensions", chunked("5;a=b;c=\"d\"\r\nhello\r\n0;last\r\n\r\n"), {200}, Then::kStays, "hello"},
      {"trailers change nothing",
       chunked("5\r\nhello\r\n0\r\nHost: evil\r\nConnection: close\r\nX: y\r\n\r\n"),
       {200},
       Then::kStays,
       "hello"},
      {"coding in another case",
       post("transfer-encoding: CHUNKED\r\n", "5\r\nhello\r\n0\r\n\r\n"),
       {200},
       Then::kStays,
       "hello"},
      {"spaces around a length", post("Content-Length: \t 5 \t\r\n", "hello"), {200}, Then::kStays, "hello"},
  });
}

TEST(HttpConformance, RefusesMalformedHeaders) {
  const std::string host = "Host: localhost\r\n";
  check_all({
      {"no name", get("/good", host + ": x\r\n"), {400}},
      {"a value in two lines", get("/good", host + "X: a\r\n b\r\n"), {400}},
      {"a value in two lines, by a tab", get("/good", host + "X: a\r\n\tb\r\n"), {400}},
      {"no colon", get("/good", host + "nonsense\r\n"), {400}},
      {"space in a name", get("/good", host + "X Y: z\r\n"), {400}},
      {"non-ASCII name", get("/good", host + "X\xc3\xa9: z\r\n"), {400}},
      {"delete in a value", get("/good", host + "X: \x7f\r\n"), {400}},
      {"escape in a value", get("/good", host + "X: \x1b[0m\r\n"), {400}},
      {"one long line", get("/good", host + "X: " + std::string(64 * 1024, 'x') + "\r\n"), {431}},
      {"a long target", get("/" + std::string(64 * 1024, 'x')), {431}},
      {"many headers",
       [&] {
         std::string all = host;
         for (int i = 0; i < 5000; ++i) all += "X" + std::to_string(i) + ": y\r\n";
         return get("/good", all);
       }(),
       {431}},
      {"many without an end", [] { return "GET / HTTP/1.1\r\n" + std::string(64 * 1024, 'x'); }(), {431}},
  });
}

TEST(HttpConformance, ReadsOddButLawfulHeaders) {
  const std::string host = "Host: localhost\r\n";
  check_all({
      {"empty value", get("/good", host + "X-Back:\r\n"), {200}, Then::kStays},
      {"no space", get("/good", "Host:localhost\r\nX-Back:y\r\n"), {200}, Then::kStays, "y"},
      {"other bytes", get("/good", host + "X-Back: \xc3\xa9\r\n"), {200}, Then::kStays, "\xc3\xa9"},
      {"empty lines before", "\r\n\r\n" + get("/good"), {200}, Then::kStays},
      {"a body nobody asked for",
       get("/good", host + "Content-Length: 5\r\n") + "hello" + std::string(kGood),
       {200, 200},
       Then::kStays},
      {"close among others", get("/good", host + "Connection: x, Close\r\n"), {200}},
  });
}

TEST(HttpConformance, KnowsMethodsVersionsAndTargets) {
  const std::string host = "Host: localhost\r\n";
  const auto line = [&](const std::string& first) { return first + "\r\n" + host + "\r\n"; };
  check_all({
      {"another method", line("DELETE /good HTTP/1.1"), {405}, Then::kStays},
      {"an unknown method", line("BREW /good HTTP/1.1"), {405}, Then::kStays},
      {"lower case", line("get /good HTTP/1.1"), {405}, Then::kStays},
      {"not a token", line("G(T /good HTTP/1.1"), {400}},
      {"no method", line(" /good HTTP/1.1"), {400}},
      {"no target", line("GET  HTTP/1.1"), {400}},
      {"two spaces", line("GET  /good HTTP/1.1"), {400}},
      {"no version", line("GET /good"), {400}},
      {"trailing words", line("GET /good HTTP/1.1 x"), {400}},
      {"HTTP/0.9", line("GET /good HTTP/0.9"), {505}},
      {"HTTP/1.2", line("GET /good HTTP/1.2"), {505}},
      {"HTTP/2", line("GET /good HTTP/2"), {400}},
      {"HTTP/2.0", line("GET /good HTTP/2.0"), {505}},
      {"HTTP/1.10", line("GET /good HTTP/1.10"), {400}},
      {"http/1.1", line("GET /good http/1.1"), {400}},
      {"HTTP/2's preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {505}},
      {"TLS", std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 15), {400}},
      {"absolute", line("GET http://localhost/good HTTP/1.1"), {200}, Then::kStays},
      {"absolute elsewhere", line("GET http://example.org/good HTTP/1.1"), {403}, Then::kStays},
      {"absolute without a host", line("GET http:///good HTTP/1.1"), {400}, Then::kStays},
      {"authority", line("CONNECT localhost:80 HTTP/1.1"), {400}, Then::kStays},
      {"asterisk of OPTIONS", line("OPTIONS * HTTP/1.1"), {204}, Then::kStays},
      {"asterisk of GET", line("GET * HTTP/1.1"), {400}, Then::kStays},
      {"dots", line("GET /../good HTTP/1.1"), {404}, Then::kStays},
      {"encoded dots", line("GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1"), {404}, Then::kStays},
      {"encoded slash", line("GET /x%2fgood HTTP/1.1"), {404}, Then::kStays},
      {"double slash", line("GET //good HTTP/1.1"), {404}, Then::kStays},
      {"encoded letters", line("GET /%67oo%64 HTTP/1.1"), {200}, Then::kStays},
      {"half an escape", line("GET /good% HTTP/1.1"), {400}, Then::kStays},
      {"no escape", line("GET /good%g0 HTTP/1.1"), {400}, Then::kStays},
      {"an encoded zero", line("GET /good%00 HTTP/1.1"), {400}, Then::kStays},
  });
}

TEST(HttpConformance, InsistsOnOneGoodHost) {
  check_all({
      {"none", get("/good", ""), {400}, Then::kStays},
      {"two", get("/good", "Host: localhost\r\nHost: localhost\r\n"), {400}, Then::kStays},
      {"empty", get("/good", "Host:\r\n"), {403}, Then::kStays},
      {"foreign", get("/good", "Host: example.org\r\n"), {403}, Then::kStays},
      {"rebinding", get("/good", "Host: localhost.example.org\r\n"), {403}, Then::kStays},
      {"with a user", get("/good", "Host: localhost@example.org\r\n"), {403}, Then::kStays},
      {"two ports", get("/good", "Host: localhost:80:80\r\n"), {403}, Then::kStays},
      {"a space inside", get("/good", "Host: local host\r\n"), {403}, Then::kStays},
      {"none in HTTP/1.0", "GET /good HTTP/1.0\r\n\r\n", {200}},
  });
}

TEST(HttpConformance, ContinuesOnlyWhereItMakesSense) {
  check_all({
      {"unknown expectation", post("Expect: magic\r\nContent-Length: 5\r\n", "hello"), {417}},
      {"the body is there already",
       post("Expect: 100-continue\r\nContent-Length: 5\r\n", "hello"),
       {200},
       Then::kStays,
       "hello"},
      {"too large to continue", post("Expect: 100-continue\r\nContent-Length: 99999999\r\n"), {413}},
      {"refused before the body",
       "POST /nothing HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
       "Content-Length: 5\r\n\r\n",
       {404}},
      {"without a body", get("/good", "Host: localhost\r\nExpect: 100-continue\r\n"), {200}, Then::kStays},
      {"in HTTP/1.0", "POST /echo HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello", {200}},
  });
  RunningEdge edge(routes);
  Client client(edge.port());
  client.send(post("Expect: 100-continue\r\nContent-Length: 5\r\n"));
  EXPECT_EQ(client.answer().status, 100);
  client.send("hello");
  EXPECT_EQ(client.answer().body, "hello");
}

TEST(HttpConformance, AnswersHeadWithoutABody) {
  check_all({
      {"of a route", "HEAD /good HTTP/1.1\r\nHost: localhost\r\n\r\n", {200}, Then::kStays},
      {"of nothing", "HEAD /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n", {404}, Then::kStays},
      {"of another method", "HEAD /echo HTTP/1.1\r\nHost: localhost\r\n\r\n", {405}, Then::kStays},
  });
}

// A client that gives up anywhere costs nothing, and one that never ends is ended.
TEST(HttpConformance, LetsGoOfClientsThatLeaveOrDawdle) {
  EdgeConfig config;
  config.limits.header_timeout = milliseconds(60);
  config.limits.body_timeout = milliseconds(60);
  config.limits.drain_idle_timeout = milliseconds(60);
  config.limits.drain_total_timeout = milliseconds(60);
  RunningEdge edge(routes, config);
  const std::size_t before = descriptors();
  const std::string whole = post("Content-Length: 10\r\n", "0123456789") + std::string(kGood);
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    Client leaver(edge.port());
    leaver.send(whole.substr(0, cut));
    if (cut % 2 == 0) {
      leaver.half_close();
      while (!leaver.read_exactly(1).empty()) {
      }
    }
  }
  const auto drip = [&](std::string_view first, std::string_view drop) {
    Client client(edge.port());
    client.send(first);
    while (client.try_send(drop)) std::this_thread::yield();  // until the edge has had enough
  };
  drip("GET /good HTTP/1.1\r\nHost: localhost\r\n", "X: y\r\n");
  drip(post("Content-Length: 1000000\r\n"), "x");
  drip(chunked(""), "1\r\nx\r\n");
  std::size_t open = 1;
  const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (open > 0 && std::chrono::steady_clock::now() < patience) {
    edge.run([&] { open = edge.server().connections(); });
    std::this_thread::yield();
  }
  EXPECT_EQ(open, 0U);
  EXPECT_EQ(descriptors(), before);
}

}  // namespace
}  // namespace answermill::frontend::test
