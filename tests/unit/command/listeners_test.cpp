#include "frontend/command/fleet/listeners.h"

#include <gtest/gtest.h>

namespace answermill::command {
namespace {

TEST(ParseAddress, Forms) {
  EXPECT_EQ(parse_address("localhost:8000")->host, "localhost");
  EXPECT_EQ(parse_address("[::1]:80")->host, "::1");
  EXPECT_EQ(parse_address("[::1]:80")->port, 80);
  EXPECT_EQ(parse_address(":0")->host, "");
  EXPECT_TRUE(parse_address("https://localhost:8443")->tls);
  EXPECT_EQ(parse_address("https://localhost:8443")->host, "localhost");
  for (const char* bad : {"localhost", "::1:80", "a:", "a:x", "a:70000", "a:-1", "", "https://localhost"}) {
    EXPECT_FALSE(parse_address(bad).has_value()) << bad;
  }
}

TEST(OpenListener, PortZeroPicksOneAndNamesIt) {
  const auto listener = open_listener("127.0.0.1:0");
  ASSERT_TRUE(listener.has_value()) << listener.error().message;
  EXPECT_NE(listener->port, 0);
  EXPECT_TRUE(listener->loopback);
  EXPECT_EQ(public_url(*listener, "secret"), "http://127.0.0.1:" + std::to_string(listener->port));
}

TEST(OpenListener, NamesABusyPort) {
  const auto first = open_listener("127.0.0.1:0");
  ASSERT_TRUE(first.has_value());
  const auto second = open_listener("127.0.0.1:" + std::to_string(first->port));
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, ErrorCode::kConflict);
  EXPECT_NE(second.error().message.find("port " + std::to_string(first->port) + " is in use"),
            std::string::npos);
}

TEST(OpenListener, BeyondLoopbackShowsTheToken) {
  const auto listener = open_listener("0.0.0.0:0");
  ASSERT_TRUE(listener.has_value()) << listener.error().message;
  EXPECT_FALSE(listener->loopback);
  EXPECT_NE(public_url(*listener, "abc").find("/?token=abc"), std::string::npos);
  EXPECT_EQ(listener->probe_url, "http://127.0.0.1:" + std::to_string(listener->port));
}

TEST(OpenListener, NamesTls) {
  const auto listener = open_listener("https://localhost:0");
  ASSERT_TRUE(listener.has_value()) << listener.error().message;
  const std::string port = std::to_string(listener->port);
  EXPECT_EQ(public_url(*listener, ""), "https://localhost:" + port);
  EXPECT_EQ(listener->probe_url, "https://127.0.0.1:" + port);
}

TEST(OpenListener, UnknownHostIsAnInvalidArgument) {
  const auto listener = open_listener("192.0.2.1:0");  // TEST-NET: nobody's address
  ASSERT_FALSE(listener.has_value());
  EXPECT_EQ(listener.error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace answermill::command
