#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <string>

#include "frontend/server/edge/answer.h"
#include "frontend/server/edge/output_queue.h"
#include "frontend/server/edge/request_parser.h"
#include "frontend/server/edge/route_table.h"
#include "frontend/server/edge/uri.h"
#include "shared/base/unix_fd.h"

namespace answermill::frontend {
namespace {

TEST(Uri, SplitsTargets) {
  const auto target = parse_target("/a%20b//c%2Fd?x=1&y=%26#z");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->path, "/a b//c/d");
  EXPECT_EQ(target->segments, (std::vector<std::string>{"a b", "", "c/d"}));
  EXPECT_EQ(target->query, "x=1&y=%26");
  EXPECT_EQ(parse_target("http://host:1/p?q")->authority, "host:1");
  EXPECT_EQ(parse_target("http://host")->path, "/");
  EXPECT_FALSE(parse_target(""));
  EXPECT_FALSE(parse_target("*"));
  EXPECT_FALSE(parse_target("/%4"));
}

TEST(Uri, ReadsQueries) {
  EXPECT_EQ(query_value("a=1&b=x+y%21&a=2", "b").value_or(""), "x y!");
  EXPECT_EQ(query_value("a=1&a=2", "a").value_or(""), "1");
  EXPECT_EQ(query_value("flag&&x", "flag").value_or("?"), "");
  EXPECT_FALSE(query_value("ab=1", "a"));
  EXPECT_EQ(query_without("a=1&token=x&b=2&%74oken=y", "token"), "a=1&b=2");
}

TEST(RouteTable, PrefersLiteralsAndTheRightProtocol) {
  RouteTable table;
  int called = 0;
  const auto handler = [&called](int number) {
    return [&called, number](Request, ResponderPtr) { called = number; };
  };
  table.route("GET", "/a/{x}", handler(1));
  table.route("GET", "/a/b", handler(2));
  table.websocket("/a/b", {}, nullptr);
  const auto call = [&](std::vector<std::string> segments) {
    const auto match = table.match("GET", segments, false);
    if (match.action == nullptr) return 0;
    std::get<Handler> (*match.action)(Request{}, nullptr);
    return called;
  };
  EXPECT_EQ(call({"a", "c"}), 1);
  EXPECT_EQ(call({"a", "b"}), 2);
  EXPECT_EQ(call({"a", ""}), 0);
  EXPECT_TRUE(std::holds_alternative<WebSocketRoute>(*table.match("GET", {"a", "b"}, true).action));
  EXPECT_EQ(table.match("PUT", {"a", "b"}, false).allow, "GET, HEAD");
}

// However a request is cut into reads, the same comes out.
TEST(RequestParser, DoesNotCareWhereReadsEnd) {
  const std::string request =
      "POST /up?x=1 HTTP/1.1\r\nHost: a\r\nX-Two: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
      "4\r\nwiki\r\n5;e=1\r\npedia\r\n0\r\nTrailer: t\r\n\r\nGET /next";
  for (std::size_t cut = 0; cut <= request.size(); ++cut) {
    RequestParser parser(4096);
    std::string input;
    std::string body;
    bool head = false;
    bool complete = false;
    for (const auto& part : {request.substr(0, cut), request.substr(cut)}) {
      input += part;
      while (!complete) {
        const auto fed = parser.feed(input);
        input.erase(0, fed.consumed);
        ASSERT_NE(fed.step, RequestParser::Step::kRefused) << cut;
        if (fed.step == RequestParser::Step::kHead) head = true;
        body += parser.take_body();
        complete = fed.step == RequestParser::Step::kComplete;
        if (fed.step == RequestParser::Step::kNeedMore) break;
      }
    }
    EXPECT_TRUE(head && complete) << cut;
    EXPECT_EQ(body, "wikipedia") << cut;
    EXPECT_EQ(input, "GET /next") << cut;
    EXPECT_EQ(parser.head().headers.size(), 3u) << cut;
  }
}

TEST(OutputQueue, KeepsOrderAcrossKindsAndPartialWrites) {
  std::array<int, 2> pair{};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair.data()), 0);
  const UniqueFd writer(pair[0]);
  const UniqueFd reader(pair[1]);
  const auto transport = make_plain_transport(writer.get());
  OutputQueue queue;
  std::string expected;
  std::string received;
  std::array<char, 50'000> chunk{};
  for (int round = 0; round < 300; ++round) {
    const std::string piece(static_cast<std::size_t>(round * 37 % 9000), static_cast<char>('a' + round % 26));
    expected += piece;
    if (round % 3 == 0) {
      queue.append(std::string_view(piece));
    } else if (round % 3 == 1) {
      queue.append(std::string(piece));
    } else {
      queue.append(std::make_shared<const std::string>(piece));
    }
    std::size_t written = 0;
    if (round % 7 == 0) {
      EXPECT_NE(queue.write_to(*transport, 100'000, written), OutputQueue::Outcome::kFailed);
    }
    if (round % 11 == 0) {
      const ssize_t got = recv(reader.get(), chunk.data(), chunk.size(), 0);
      if (got > 0) received.append(chunk.data(), static_cast<std::size_t>(got));
    }
  }
  while (received.size() < expected.size()) {
    std::size_t written = 0;
    queue.write_to(*transport, 100'000, written);
    const ssize_t got = recv(reader.get(), chunk.data(), chunk.size(), 0);
    ASSERT_GT(got, 0);
    received.append(chunk.data(), static_cast<std::size_t>(got));
  }
  EXPECT_EQ(received, expected);
  EXPECT_TRUE(queue.empty());
}

TEST(Answer, EscapesWhatItQuotes) {
  EXPECT_EQ(error_json(503, "a \"b\"\n"),
            R"({"error":{"code":"busy","message":"a \"b\"\u000a","retryable":true}})");
  EXPECT_NE(error_html(404, "<x>").find("&lt;x&gt;"), std::string::npos);
}

}  // namespace
}  // namespace answermill::frontend
