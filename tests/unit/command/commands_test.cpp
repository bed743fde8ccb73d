#include "frontend/command/commands.h"

#include <gtest/gtest.h>

#include <vector>

#include "frontend/command/exit_codes.h"
#include "tests/unit/command/fake_server.h"

namespace answermill::command {
namespace {

struct Ran {
  int exit_code = 0;
  std::string out;
  std::string errors;
};

Ran run(std::vector<const char*> words) {
  words.insert(words.begin(), "answermill");
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  Ran ran;
  ran.exit_code = run_command(static_cast<int>(words.size()), words.data());
  std::fflush(stdout);
  ran.out = ::testing::internal::GetCapturedStdout();
  ran.errors = ::testing::internal::GetCapturedStderr();
  return ran;
}

TEST(Commands, HelpInEveryForm) {
  EXPECT_EQ(run({}).exit_code, kExitUsage);
  EXPECT_EQ(run({"--help"}).exit_code, kExitOk);
  EXPECT_NE(run({"--help"}).out.find("Exit codes:"), std::string::npos);
  EXPECT_EQ(run({"help", "ask"}).out, run({"ask", "--help"}).out);
  EXPECT_NE(run({"--version"}).out.find("answermill "), std::string::npos);
  for (const char* command :
       {"up", "ingest", "ask", "search", "documents", "collections", "status", "journal"}) {
    EXPECT_EQ(run({"help", command}).exit_code, kExitOk) << command;
    EXPECT_EQ(run({command, "--no-such-flag"}).exit_code, kExitUsage) << command;
  }
}

TEST(Commands, WrongUsageIsTwo) {
  EXPECT_EQ(run({"nonsense"}).exit_code, kExitUsage);
  EXPECT_EQ(run({"ask"}).exit_code, kExitUsage);
  EXPECT_EQ(run({"ask", "  "}).exit_code, kExitUsage);
  EXPECT_EQ(run({"ingest"}).exit_code, kExitUsage);
  EXPECT_EQ(run({"search", ""}).exit_code, kExitUsage);
  EXPECT_EQ(run({"documents", "burn"}).exit_code, kExitUsage);
  EXPECT_EQ(run({"documents", "show"}).exit_code, kExitUsage);
  EXPECT_EQ(run({"collections", "create"}).exit_code, kExitUsage);
  EXPECT_EQ(run({"ask", "--token", "x", "Why?"}).exit_code, kExitUsage);
  EXPECT_EQ(run({"up", "--workers", "nothing=1"}).exit_code, kExitUsage);
  EXPECT_EQ(run({"journal", "burn"}).exit_code, kExitUsage);
}

TEST(Commands, UnreachableServerIsFour) {
  const std::vector<std::vector<const char*>> all = {
      {"ask", "Why?"}, {"status"},      {"search", "x"},
      {"documents"},   {"collections"}, {"ingest", "/dev/null/x", "/etc/passwd"}};
  for (std::vector<const char*> words : all) {
    words.insert(words.end(), {"--server", "http://127.0.0.1:1"});
    const Ran ran = run(words);
    EXPECT_EQ(ran.exit_code, kExitUnreachable) << words.front();
    EXPECT_NE(ran.errors.find("cannot reach http://127.0.0.1:1: is it running?"), std::string::npos)
        << ran.errors;
  }
}

TEST(Commands, SomebodyElsesServerIsNamed) {
  FakeServer server(
      [](const FakeRequest&, int) { return FakeAnswer{"HTTP/1.1 404 X\r\nContent-Length: 2\r\n\r\nno"}; });
  const Ran ran = run({"status", "--server", server.url().c_str()});
  EXPECT_EQ(ran.exit_code, kExitFailed);
  EXPECT_NE(ran.errors.find("is that an Answermill server?"), std::string::npos);
}

TEST(Commands, DocumentsSpeakTheProtocol) {
  FakeServer server([](const FakeRequest& request, int) {
    if (request.line.find("GET /api/documents/nope") == 0) {
      return json_answer(404,
                         R"({"error":{"code":"not_found","message":"There is no document with this id."}})");
    }
    if (request.line.find("DELETE") == 0) return json_answer(200, R"({"deleted":true,"id":"d1"})");
    return json_answer(200, R"({"documents":[{"id":"d1","name":"a\u001b[31m.pdf","state":"failed","size":12,
      "collection":"default","error":{"code":"no_text","message":"scan"},"pages":{"total":3,"searchable":0}}]})");
  });
  const std::string url = server.url();
  const Ran list = run({"documents", "--collection", "a b", "--server", url.c_str()});
  EXPECT_EQ(list.exit_code, kExitOk);
  EXPECT_NE(list.out.find("failed (no_text)"), std::string::npos);
  EXPECT_EQ(list.out.find('\033'), std::string::npos);
  EXPECT_EQ(server.requests().front().line, "GET /api/documents?collection=a%20b HTTP/1.1");
  EXPECT_EQ(run({"documents", "show", "nope", "--server", url.c_str()}).exit_code, kExitNotFound);
  EXPECT_EQ(run({"documents", "delete", "d1", "--server", url.c_str()}).out, "deleted d1\n");
}

TEST(Commands, SearchWithoutHitsIsThree) {
  FakeServer server([](const FakeRequest&, int) {
    return json_answer(200, R"({"hits":[],"coverage":{"pages":0,"total_pages":0}})");
  });
  const Ran ran = run({"search", "grüße & more", "--server", server.url().c_str()});
  EXPECT_EQ(ran.exit_code, kExitNothingFound);
  EXPECT_NE(ran.errors.find("Nothing has been ingested yet"), std::string::npos);
  EXPECT_EQ(server.requests().front().line, "GET /api/search?q=gr%C3%BC%C3%9Fe%20%26%20more&k=8 HTTP/1.1");
}

}  // namespace
}  // namespace answermill::command
