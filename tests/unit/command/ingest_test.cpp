#include "frontend/command/client/ingest.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "frontend/command/exit_codes.h"
#include "tests/unit/command/fake_server.h"

namespace answermill::command {
namespace {

std::string write_file(const std::string& name, const std::string& content) {
  const std::string path = ::testing::TempDir() + "/" + name;
  std::ofstream(path, std::ios::binary) << content;
  return path;
}

std::string document(const std::string& id, const std::string& state, const std::string& more = "") {
  return R"({"id":")" + id + R"(","state":")" + state +
         R"(","progress":0.5,"pages":{"total":4,"searchable":)" + (state == "ready" ? "4" : "2") +
         R"(},"chunks":9)" + more + "}";
}

FakeAnswer accepted(const std::string& one) { return json_answer(202, R"({"documents":[)" + one + "]}"); }
std::string event(const std::string& one) { return "event: document\ndata: " + one + "\n\n"; }

struct Ran {
  int exit_code = 0;
  std::string out;
  std::string errors;
};

Ran ingest(const std::string& url, const std::vector<std::string>& files,
           ScreenKind kind = ScreenKind::kPlain, const std::string& collection = {}) {
  IngestOptions options;
  options.client.server = url;
  options.files = files;
  options.collection = collection;
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  Ran ran;
  {
    EventLoop loop;
    Api api(options.client);
    ran.exit_code = IngestSession(api, loop, IngestScreen(kind), options).run();
  }
  std::fflush(stdout);
  ran.out = ::testing::internal::GetCapturedStdout();
  ran.errors = ::testing::internal::GetCapturedStderr();
  return ran;
}

TEST(Ingest, UploadsAndFollowsUntilReady) {
  const std::string path = write_file("grün 1.pdf", "%PDF content");
  FakeServer server([](const FakeRequest& request, int) {
    if (request.line.find("POST") == 0) return accepted(document("d1", "queued"));
    return sse_answer(event(document("d1", "processing")) + event(document("d1", "ready")));
  });
  const Ran ran = ingest(server.url(), {path});
  EXPECT_EQ(ran.exit_code, kExitOk) << ran.errors;
  EXPECT_NE(ran.out.find("4 pages searchable, 9 passages (id d1)"), std::string::npos) << ran.out;
  const auto requests = server.requests();
  ASSERT_EQ(requests.size(), 2U);
  EXPECT_EQ(requests[0].line, "POST /api/documents?name=gr%C3%BCn%201.pdf HTTP/1.1");
  EXPECT_EQ(requests[0].body, "%PDF content");
  EXPECT_EQ(requests[1].line, "GET /api/documents/d1/events HTTP/1.1");
}

TEST(Ingest, FollowsAgainAfterABreak) {
  const std::string path = write_file("a.txt", "a");
  FakeServer server([](const FakeRequest&, int number) {
    if (number == 0) return accepted(document("d1", "queued"));
    if (number == 1) return broken_sse_answer(event(document("d1", "processing")));
    if (number == 2) return FakeAnswer{};
    return sse_answer(event(document("d1", "ready")));
  });
  EXPECT_EQ(ingest(server.url(), {path}).exit_code, kExitOk);
  EXPECT_EQ(server.requests().size(), 4U);
}

TEST(Ingest, SendsAgainWhenTheServerDiesDuringTheUpload) {
  const std::string path = write_file("b.txt", "b");
  FakeServer server([](const FakeRequest&, int number) {
    if (number == 0) return FakeAnswer{};
    return accepted(document("d1", "ready"));
  });
  EXPECT_EQ(ingest(server.url(), {path}).exit_code, kExitOk);
  EXPECT_EQ(server.requests().size(), 2U);
}

TEST(Ingest, OneFailureDoesNotStopTheOthers) {
  const std::string good = write_file("good.txt", "good");
  const std::string empty = write_file("empty.pdf", "");
  FakeServer server([](const FakeRequest& request, int) {
    if (request.line.find("empty.pdf") != std::string::npos) {
      return accepted(
          document("d2", "failed", R"(,"error":{"code":"empty_file","message":"The file is empty."})"));
    }
    return accepted(document("d1", "ready"));
  });
  const Ran ran = ingest(server.url(), {"/nonexistent/x.pdf", empty, ::testing::TempDir(), good});
  EXPECT_EQ(ran.exit_code, kExitFailed);
  EXPECT_NE(ran.errors.find("/nonexistent/x.pdf: failed: No such file"), std::string::npos) << ran.errors;
  EXPECT_NE(ran.errors.find("empty.pdf: failed: The file is empty. (empty_file)"), std::string::npos)
      << ran.errors;
  EXPECT_NE(ran.errors.find("is a folder"), std::string::npos) << ran.errors;
  EXPECT_NE(ran.out.find("good.txt: 4 pages searchable"), std::string::npos) << ran.out;
}

TEST(Ingest, TellsWhyAnUploadWasRefused) {
  const std::string path = write_file("big.pdf", std::string(100'000, 'x'));
  FakeServer server([](const FakeRequest&, int) {
    return json_answer(413, R"({"error":{"code":"too_large","message":"Files may have at most 2 GB."}})");
  });
  const Ran ran = ingest(server.url(), {path});
  EXPECT_EQ(ran.exit_code, kExitFailed);
  EXPECT_NE(ran.errors.find("Files may have at most 2 GB."), std::string::npos);
}

TEST(Ingest, MakesTheCollection) {
  const std::string path = write_file("c.txt", "c");
  FakeServer server([](const FakeRequest& request, int) {
    if (request.line.find("POST /api/collections") == 0) return json_answer(201, R"({"name":"law"})");
    return accepted(document("d1", "ready"));
  });
  EXPECT_EQ(ingest(server.url(), {path}, ScreenKind::kPlain, "law").exit_code, kExitOk);
  EXPECT_EQ(server.requests()[1].line, "POST /api/documents?name=c.txt&collection=law HTTP/1.1");
}

TEST(Ingest, JsonGivesOneObjectALine) {
  const std::string path = write_file("d.txt", "d");
  FakeServer server([](const FakeRequest&, int number) {
    if (number == 0) return accepted(document("d1", "queued"));
    return sse_answer(event(document("d1", "processing")) + event(document("d1", "ready")));
  });
  const Ran ran = ingest(server.url(), {path}, ScreenKind::kJson);
  std::istringstream lines(ran.out);
  std::vector<std::string> states;
  for (std::string line; std::getline(lines, line);) {
    states.push_back(text_of(member(Json::parse(line), "document"), "state"));
  }
  EXPECT_EQ(states, (std::vector<std::string>{"queued", "processing", "ready"}));
}

TEST(Ingest, ManyFilesAllArrive) {
  std::vector<std::string> files;
  for (int count = 0; count < 100; ++count)
    files.push_back(write_file("m" + std::to_string(count) + ".txt", "x"));
  FakeServer server([](const FakeRequest& request, int) {
    if (request.line.find("POST") == 0) return accepted(document("d", "queued"));
    return sse_answer(event(document("d", "ready")));
  });
  EXPECT_EQ(ingest(server.url(), files).exit_code, kExitOk);
  EXPECT_EQ(server.requests().size(), 200U);
}

}  // namespace
}  // namespace answermill::command
