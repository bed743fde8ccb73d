#include "frontend/command/client/ask.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <future>

#include "frontend/command/exit_codes.h"
#include "shared/base/sha256.h"
#include "tests/unit/command/fake_server.h"

namespace answermill::command {
namespace {

const char* const kStarted = "id: 0\nevent: started\ndata: {\"stream\":\"s-1\",\"conversation\":\"c1\"}\n\n";
const char* const kSources =
    "id: 1\nevent: sources\ndata: "
    "{\"passages\":[{\"number\":1,\"name\":\"a.pdf\",\"page\":61,\"label\":\"61.3\"},"
    "{\"number\":2,\"name\":\"b.pdf\",\"page\":2,\"label\":\"2.1\"}],\"coverage\":{\"pages\":3,\"total_"
    "pages\":5}}\n\n";

std::string token(int seq, int offset, const std::string& text) {
  return "id: " + std::to_string(seq) +
         "\nevent: token\ndata: " + to_line({{"offset", offset}, {"text", text}}) + "\n\n";
}

std::string terminal(int seq, const std::string& kind, const std::string& text,
                     const std::string& mode = "quoting") {
  return "id: " + std::to_string(seq) + "\nevent: " + kind + "\ndata: " +
         to_line({{"length", text.size()}, {"sha256", sha256_hex(text)}, {"meta", {{"mode", mode}}}}) +
         "\n\n";
}

struct Ran {
  int exit_code = 0;
  std::string out;
  std::string errors;
};

Ran ask(const std::string& url, bool json = false, const std::string& collection = {}) {
  AskOptions options;
  options.client.server = url;
  options.client.json = json;
  options.question = "Why?";
  options.collection = collection;
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  Ran ran;
  {
    EventLoop loop;
    Api api(options.client);
    ran.exit_code = AskSession(api, loop, options).run();
  }
  std::fflush(stdout);
  ran.out = ::testing::internal::GetCapturedStdout();
  ran.errors = ::testing::internal::GetCapturedStderr();
  return ran;
}

TEST(Ask, StreamsTheAnswerThenItsSources) {
  FakeServer server([](const FakeRequest&, int) {
    return sse_answer(std::string(kStarted) + kSources + token(2, 0, "Because") + token(3, 7, " so. [1]") +
                      "id: 4\nevent: citation\ndata: {\"number\":1}\n\n" +
                      terminal(5, "done", "Because so. [1]"));
  });
  const Ran ran = ask(server.url());
  EXPECT_EQ(ran.exit_code, kExitOk);
  EXPECT_EQ(ran.out,
            "Because so. [1]\n\nSources (the answer saw 3 of 5 pages)\n  [1] a.pdf, page 61 (61.3)\n");
  const FakeRequest request = server.requests().front();
  EXPECT_EQ(request.line, "POST /api/ask HTTP/1.1");
  EXPECT_EQ(text_of(Json::parse(request.body), "question"), "Why?");
  EXPECT_FALSE(text_of(Json::parse(request.body), "request_id").empty());
}

TEST(Ask, GoesOnWhereABrokenConnectionStopped) {
  FakeServer server([](const FakeRequest&, int number) {
    if (number == 0)
      return broken_sse_answer(std::string(kStarted) + token(1, 0, "one ") + token(2, 4, "two "));
    if (number == 1) return FakeAnswer{};  // the server is away for a moment
    if (number == 2) return broken_sse_answer(token(2, 4, "two ") + token(3, 8, "three "));
    return sse_answer(token(4, 14, "four") + terminal(5, "done", "one two three four"));
  });
  const Ran ran = ask(server.url());
  EXPECT_EQ(ran.exit_code, kExitOk);
  EXPECT_EQ(ran.out, "one two three four\n");
  const auto requests = server.requests();
  ASSERT_EQ(requests.size(), 4U);
  EXPECT_EQ(requests[1].line, "GET /api/streams/s-1 HTTP/1.1");
  EXPECT_NE(requests[1].head.find("Last-Event-ID: 2\r\n"), std::string::npos);
  EXPECT_NE(requests[3].head.find("Last-Event-ID: 3\r\n"), std::string::npos);
}

TEST(Ask, AsksAgainForWhatIsMissing) {
  FakeServer server([](const FakeRequest&, int number) {
    if (number == 0) return sse_answer(std::string(kStarted) + token(1, 0, "one ") + token(3, 8, "three"));
    return sse_answer(std::string(kStarted) + token(1, 0, "one ") + token(2, 4, "two ") +
                      token(3, 8, "three") + terminal(4, "done", "one two three"));
  });
  const Ran ran = ask(server.url());
  EXPECT_EQ(ran.exit_code, kExitOk);
  EXPECT_EQ(ran.out, "one two three\n");
  EXPECT_NE(server.requests()[1].head.find("Last-Event-ID: 0\r\n"), std::string::npos);
}

TEST(Ask, FetchesTheWholeWhenTheSumDoesNotMatch) {
  FakeServer server([](const FakeRequest&, int number) {
    if (number == 0)
      return sse_answer(std::string(kStarted) + token(1, 0, "par") + terminal(2, "done", "partial"));
    return json_answer(200, R"({"stream":"s-1","status":"done","text":"partial"})");
  });
  const Ran ran = ask(server.url());
  EXPECT_EQ(ran.out, "parpartial\n");
  EXPECT_NE(ran.errors.find("here is the whole"), std::string::npos);
}

TEST(Ask, NothingFoundIsThreeAndSaysThatNothingIsThere) {
  FakeServer server([](const FakeRequest&, int) {
    return sse_answer(
        std::string(kStarted) +
        "id: 1\nevent: sources\ndata: {\"passages\":[],\"coverage\":{\"pages\":0,\"total_pages\":0}}\n\n" +
        token(2, 0, "Nothing.") + terminal(3, "done", "Nothing.", "nothing_found"));
  });
  const Ran ran = ask(server.url());
  EXPECT_EQ(ran.exit_code, kExitNothingFound);
  EXPECT_NE(ran.errors.find("Nothing has been ingested yet"), std::string::npos);
  EXPECT_EQ(ran.out, "Nothing.\n");
}

TEST(Ask, UnknownCollectionListsTheKnown) {
  FakeServer server([](const FakeRequest& request, int) {
    if (request.line.find("GET /api/collections") == 0) {
      return json_answer(200, R"({"collections":[{"name":"default"},{"name":"law"}]})");
    }
    return json_answer(404, R"({"error":{"code":"not_found","message":"no","retryable":false}})");
  });
  const Ran ran = ask(server.url(), false, "lwa");
  EXPECT_EQ(ran.exit_code, kExitNotFound);
  EXPECT_NE(ran.errors.find("there is no collection 'lwa'; known: default, law"), std::string::npos)
      << ran.errors;
}

TEST(Ask, FailedAnswerIsOne) {
  FakeServer server([](const FakeRequest&, int) {
    return sse_answer(
        std::string(kStarted) +
        "id: 1\nevent: failed\ndata: {\"length\":0,\"error\":{\"code\":\"upstream\",\"message\":\"the "
        "model is away\"}}\n\n");
  });
  const Ran ran = ask(server.url());
  EXPECT_EQ(ran.exit_code, kExitFailed);
  EXPECT_NE(ran.errors.find("the model is away"), std::string::npos);
}

TEST(Ask, JsonGivesOneEventALine) {
  FakeServer server([](const FakeRequest&, int) {
    return sse_answer(std::string(kStarted) + token(1, 0, "a\nb") + terminal(2, "done", "a\nb"));
  });
  const Ran ran = ask(server.url(), true);
  EXPECT_EQ(ran.exit_code, kExitOk);
  std::istringstream lines(ran.out);
  std::vector<std::string> events;
  for (std::string line; std::getline(lines, line);) events.push_back(text_of(Json::parse(line), "event"));
  EXPECT_EQ(events, (std::vector<std::string>{"started", "token", "done"}));
}

TEST(Ask, InterruptCancelsOnTheServer) {
  FakeServer server([](const FakeRequest& request, int) {
    if (request.line.find("POST /api/streams/s-1/cancel") == 0)
      return json_answer(202, R"({"cancelling":true})");
    FakeAnswer answer =
        broken_sse_answer(std::string(kStarted) + token(1, 0, "slow"), "X-Stream-Id: s-1\r\n");
    answer.keep_open = true;
    ::kill(::getpid(), SIGINT);
    return answer;
  });
  // The signal can come before the first bytes; a second one then ends the wait at once.
  const Ran ran = ask(server.url());
  EXPECT_EQ(ran.exit_code, kExitInterrupted);
}

}  // namespace
}  // namespace answermill::command
