#include "frontend/server/edge/listener.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <vector>

#include "tests/unit/edge/edge_fixture.h"

namespace answermill::frontend::test {
namespace {

void hello(Router& router) {
  router.route("GET", "/hello",
               [](Request, ResponderPtr responder) { responder->send(200, "text/plain", "hello"); });
}

TEST(Listener, ParsesAddresses) {
  EXPECT_EQ(parse_listen("localhost:8000")->port, 8000);
  EXPECT_EQ(parse_listen("[::1]:8000")->host, "::1");
  EXPECT_EQ(parse_listen(":8000")->host, "");
  EXPECT_EQ(parse_listen("*:0")->host, "");
  EXPECT_FALSE(parse_listen(":8000")->tls);
  EXPECT_TRUE(parse_listen("https://:8000")->tls);
  EXPECT_EQ(parse_listen("https://[::1]:8000")->host, "::1");
  for (const auto* bad : {"", "8000", "localhost", "localhost:", "localhost:x", "localhost:65536", "::1:8000",
                          "[]:1", "a b:1", "http://localhost:1"}) {
    EXPECT_FALSE(parse_listen(bad).has_value()) << bad;
  }
}

TEST(Listener, KnowsLoopback) {
  EXPECT_TRUE(*is_loopback_listen("localhost:1"));
  EXPECT_TRUE(*is_loopback_listen("127.0.0.2:1"));
  EXPECT_TRUE(*is_loopback_listen("[::1]:1"));
  EXPECT_FALSE(*is_loopback_listen(":1"));
  EXPECT_FALSE(*is_loopback_listen("0.0.0.0:1"));
  EXPECT_FALSE(*is_loopback_listen("192.0.2.1:1"));
}

TEST(Listener, NamesABusyPort) {
  auto first = open_listeners("127.0.0.1:0", false);
  ASSERT_TRUE(first);
  const auto port = std::to_string(first->front().port);
  auto second = open_listeners("127.0.0.1:" + port, false);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().message, "port " + port + " is in use");
  auto shared = open_listeners("127.0.0.1:" + port, true);  // the holder does not share
  ASSERT_FALSE(shared);
  EXPECT_EQ(shared.error().code, ErrorCode::kUnavailable);
}

TEST(Listener, SharesAPortWhenBothWantTo) {
  auto first = open_listeners("127.0.0.1:0", true);
  ASSERT_TRUE(first);
  EXPECT_TRUE(open_listeners("127.0.0.1:" + std::to_string(first->front().port), true));
}

TEST(Listener, ServesAnInheritedSocketWithoutLosingEarlyConnections) {
  auto listeners = open_listeners("127.0.0.1:0", false);
  ASSERT_TRUE(listeners);
  const auto port = listeners->front().port;
  Client early(port);  // connects before anyone accepts
  early.send("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EdgeConfig config;
  config.listen_fds = {dup(listeners->front().fd.get())};
  {
    RunningEdge edge(hello, config);
    EXPECT_EQ(edge.port(), port);
    EXPECT_EQ(early.answer().body, "hello");
  }
  Client between(port);  // nobody serves, the supervisor's copy still listens
  between.send("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
  config.listen_fds = {dup(listeners->front().fd.get())};
  RunningEdge restarted(hello, config);
  EXPECT_EQ(between.answer().body, "hello");
}

TEST(Listener, TellsSystemdsSocketsApartByName) {
  setenv("LISTEN_PID", std::to_string(getpid()).c_str(), 1);
  setenv("LISTEN_FDS", "4", 1);
  setenv("LISTEN_FDNAMES", "answermill-frontend.socket:https:other:https", 1);
  EXPECT_EQ(systemd_sockets().plain, (std::vector<int>{3, 5}));
  EXPECT_EQ(systemd_sockets().tls, (std::vector<int>{4, 6}));
  unsetenv("LISTEN_FDNAMES");
  EXPECT_EQ(systemd_sockets().plain.size(), 4u);
  setenv("LISTEN_PID", "1", 1);
  EXPECT_TRUE(systemd_sockets().plain.empty());
  unsetenv("LISTEN_FDS");
  unsetenv("LISTEN_PID");
}

TEST(Listener, RefusesDescriptorsThatDoNotListen) {
  EXPECT_FALSE(adopt_listener(dup(0)).has_value());
  EXPECT_FALSE(adopt_listener(9999).has_value());
}

// With no descriptor left the edge waits instead of spinning, and goes on when there are some again.
TEST(Listener, SurvivesRunningOutOfDescriptors) {
  EdgeConfig config;
  config.limits.stop_timeout = std::chrono::milliseconds(100);  // makes for a short tick
  RunningEdge edge(hello, config);
  Client waiting(edge.port());
  waiting.send("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(waiting.answer().body, "hello");

  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  Client late(edge.port());  // connected by the kernel; accepted when there is a descriptor
  const int next = dup(0);
  close(next);
  edge.run([&] {
    rlimit tight = before;
    tight.rlim_cur = static_cast<rlim_t>(next);
    setrlimit(RLIMIT_NOFILE, &tight);
  });
  Client* blocked = &late;
  blocked->send("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
  for (int i = 0; i < 100; ++i) {
    waiting.send("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
    ASSERT_EQ(waiting.answer().body, "hello");
  }
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(blocked->answer().body, "hello");
}

}  // namespace
}  // namespace answermill::frontend::test
