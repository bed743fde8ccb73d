#include "shared/http/client.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <future>

#include "tests/unit/http/local_server.h"

namespace answermill::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

Request get(const std::string& url) {
  Request request;
  request.url = url;
  return request;
}

TEST(HttpClient, FetchesStatusHeadersAndBody) {
  LocalServer server([](Connection& c) {
    while (!c.read_request().empty())
      c.write("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\nX-A: b\r\n\r\nnone");
  });
  Client client;
  for (int i = 0; i < 3; ++i) {
    const auto response = client.fetch(get(server.url() + "/x"));
    ASSERT_TRUE(response) << response.error().message;
    EXPECT_EQ(response->status, 404);
    EXPECT_EQ(find_header(response->headers, "x-a"), "b");
    EXPECT_EQ(response->body, "none");
  }
}

TEST(HttpClient, SendsBodyAndHeaders) {
  std::promise<std::string> seen;
  LocalServer server([&](Connection& c) {
    seen.set_value(c.read_request());
    c.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  });
  Client client;
  Request request = get(server.url() + "/post");
  request.method = "POST";
  request.body = std::string("a\0b", 3);
  request.headers = {{"Content-Type", "application/json"}, {"Authorization", "Bearer k"}};
  ASSERT_TRUE(client.fetch(std::move(request)));
  const std::string text = seen.get_future().get();
  EXPECT_EQ(text.substr(0, 20), "POST /post HTTP/1.1\r");
  EXPECT_NE(text.find("Authorization: Bearer k\r\n"), std::string::npos);
  EXPECT_EQ(text.substr(text.size() - 3), std::string("a\0b", 3));
  EXPECT_EQ(text.find("Expect"), std::string::npos);
}

TEST(HttpClient, UploadsAFileWithProgress) {
  std::promise<std::size_t> seen;
  LocalServer server([&](Connection& c) {
    const std::string text = c.read_request();
    seen.set_value(text.size() - text.find("\r\n\r\n") - 4);
    c.write("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  });
  char name[] = "/tmp/http_client_testXXXXXX";
  UniqueFd file(mkstemp(name));
  const std::string bytes(3'000'000, 'x');
  ASSERT_EQ(write(file.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  unlink(name);
  Client client;
  Request request = get(server.url() + "/up");
  request.method = "POST";
  request.body_file = std::move(file);
  request.body_file_size = bytes.size();
  std::uint64_t last = 0;
  request.on_upload = [&](std::uint64_t sent) { last = sent; };
  const auto response = client.fetch(std::move(request));
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->status, 202);
  EXPECT_EQ(last, bytes.size());
  EXPECT_EQ(seen.get_future().get(), bytes.size());
}

TEST(HttpClient, CancelClosesTheConnectionAtOnce) {
  std::promise<steady_clock::time_point> closed;
  LocalServer server([&](Connection& c) {
    c.read_request();
    c.write("HTTP/1.1 200 OK\r\n\r\nfirst");
    c.wait_for_close();
    closed.set_value(steady_clock::now());
  });
  Client client;
  std::promise<void> started;
  std::promise<Result<int>> done;
  const Handle handle =
      client.start(get(server.url()), {nullptr, [&](std::string_view) { started.set_value(); },
                                       [&](Result<int> status) { done.set_value(std::move(status)); }});
  started.get_future().get();
  const auto before = steady_clock::now();
  client.cancel(handle);
  const auto status = done.get_future().get();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kCancelled);
  EXPECT_LT(closed.get_future().get() - before, milliseconds(50));
}

TEST(HttpClient, NamesWhyThereIsNoAnswer) {
  Client client;
  EXPECT_EQ(client.fetch(get("http://127.0.0.1:1/")).error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(client.fetch(get("ftp://127.0.0.1/")).error().code, ErrorCode::kInvalidArgument);
  LocalServer cut([](Connection& c) {
    c.read_request();
    c.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
  });
  EXPECT_EQ(client.fetch(get(cut.url())).error().code, ErrorCode::kUpstream);
}

TEST(HttpClient, TimesOutBeforeTheFirstByteAndInGaps) {
  LocalServer silent([](Connection& c) {
    c.read_request();
    c.wait_for_close();
  });
  LocalServer stalling([](Connection& c) {
    c.read_request();
    c.write("HTTP/1.1 200 OK\r\n\r\nabc");
    c.wait_for_close();
  });
  Client client;
  Request first = get(silent.url());
  first.timeouts.first_byte = milliseconds(60);
  EXPECT_EQ(client.fetch(std::move(first)).error().code, ErrorCode::kTimeout);
  Request gap = get(stalling.url());
  gap.timeouts.idle = milliseconds(60);
  EXPECT_EQ(client.fetch(std::move(gap)).error().code, ErrorCode::kTimeout);
  Request total = get(stalling.url());
  total.timeouts.total = milliseconds(60);
  EXPECT_EQ(client.fetch(std::move(total)).error().code, ErrorCode::kTimeout);
}

TEST(HttpClient, RefusesABodyOverTheLimit) {
  LocalServer server([](Connection& c) {
    c.read_request();
    c.write("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + std::string(1000, 'x'));
  });
  Client client;
  EXPECT_EQ(client.fetch(get(server.url()), {}, 999).error().code, ErrorCode::kTooLarge);
}

TEST(HttpClient, EndsWhatStillRunsWhenDestroyed) {
  LocalServer server([](Connection& c) {
    c.read_request();
    c.wait_for_close();
  });
  std::promise<Result<int>> done;
  auto result = done.get_future();
  {
    Client client;
    std::promise<void> accepted;
    client.start(get(server.url()),
                 {nullptr, nullptr, [&](Result<int> status) { done.set_value(std::move(status)); }});
    client.post([&] { accepted.set_value(); });
    accepted.get_future().get();
  }
  EXPECT_EQ(result.get().error().code, ErrorCode::kCancelled);
}

TEST(HttpClient, RunsHundredsAtOnce) {
  LocalServer server([](Connection& c) {
    while (!c.read_request().empty()) c.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  });
  Client client;
  constexpr int kRequests = 200;
  std::atomic<int> good{0};
  std::atomic<int> left{kRequests};
  std::promise<void> all;
  for (int i = 0; i < kRequests; ++i) {
    client.start(get(server.url()), {nullptr, nullptr, [&](Result<int> status) {
                                       good += status && *status == 200 ? 1 : 0;
                                       if (--left == 0) all.set_value();
                                     }});
  }
  all.get_future().get();
  EXPECT_EQ(good, kRequests);
}

TEST(Url, EncodesAllButUnreserved) { EXPECT_EQ(url_encode("a b/\xC3\xA9~?"), "a%20b%2F%C3%A9~%3F"); }

}  // namespace
}  // namespace answermill::http
