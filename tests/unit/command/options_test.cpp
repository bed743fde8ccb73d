#include "frontend/command/client/options.h"

#include <gtest/gtest.h>

#include <fstream>

#include "frontend/command/client/ask.h"

namespace answermill::command {
namespace {

TEST(NormalServer, AcceptsWhatPeopleType) {
  EXPECT_EQ(*normal_server("localhost:8000"), "http://localhost:8000");
  EXPECT_EQ(*normal_server(" http://a.example/ "), "http://a.example");
  EXPECT_EQ(*normal_server("https://[::1]:8000//"), "https://[::1]:8000");
}

TEST(NormalServer, RefusesTheRest) {
  for (const char* bad : {"", "/", "ftp://a", "http://", "http://a b", "http://a/?token=x"}) {
    EXPECT_FALSE(normal_server(bad).has_value()) << bad;
  }
  EXPECT_NE(normal_server("http://a/?token=x").error().message.find("ANSWERMILL_TOKEN"), std::string::npos);
}

TEST(ClientOptions, ReadsTheTokenFile) {
  ClientOptions options;
  options.token_file = ::testing::TempDir() + "/token";
  std::ofstream(options.token_file) << "s3cret\n";
  ASSERT_TRUE(complete_client_options(options).has_value());
  EXPECT_EQ(options.token, "s3cret");
  options.token.clear();
  options.token_file = "/nonexistent";
  EXPECT_FALSE(complete_client_options(options).has_value());
}

TEST(CheckQuestion, EmptyAndOverlong) {
  EXPECT_FALSE(check_question("").has_value());
  EXPECT_FALSE(check_question(" \n\t").has_value());
  EXPECT_TRUE(check_question("Why?").has_value());
  std::string umlauts;
  for (int count = 0; count < 8'000; ++count) umlauts += "ü";
  EXPECT_TRUE(check_question(umlauts).has_value());
  EXPECT_FALSE(check_question(umlauts + "x").has_value());
}

}  // namespace
}  // namespace answermill::command
