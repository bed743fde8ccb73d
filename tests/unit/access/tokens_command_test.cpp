#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "frontend/command/tokens/tokens.h"
#include "shared/access/token_list.h"
#include "shared/base/ids.h"

namespace answermill::command {
namespace {

using access::Scope;

class TokensCommand : public ::testing::Test {
 protected:
  TokensCommand() { std::filesystem::create_directories(data_); }
  ~TokensCommand() override { std::filesystem::remove_all(data_); }
  access::TokenList list() const {
    auto read = access::TokenFile(access::token_list_path(data_)).refresh();
    return read && *read ? **read : access::TokenList{};
  }

  std::string data_ = (std::filesystem::temp_directory_path() / ("answermill-" + random_id())).string();
};

TEST_F(TokensCommand, KeepsOnlyTheDigest) {
  const auto token = make_token(data_, "ci", {Scope::kRead}, {"manuals"});
  ASSERT_TRUE(token);
  const std::string path = access::token_list_path(data_);
  std::ifstream file(path);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(text.find(*token), std::string::npos);
  struct stat facts {};
  ASSERT_EQ(::stat(path.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777U, 0600U);
  const auto known = list();
  ASSERT_NE(known.by_secret(*token), nullptr);
  EXPECT_EQ(known.by_secret(*token)->collections, std::vector<std::string>{"manuals"});
}

TEST_F(TokensCommand, RefusesWhatCannotBeMeant) {
  ASSERT_TRUE(make_token(data_, "ci", {Scope::kRead}, {}));
  EXPECT_EQ(make_token(data_, "ci", {Scope::kRead}, {}).error().code, ErrorCode::kConflict);
  EXPECT_EQ(make_token(data_, "c i", {Scope::kRead}, {}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(make_token(data_, "x", {Scope::kRead}, {"a b"}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(make_token(data_, "x", {Scope::kAdmin}, {"a"}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(make_token(data_ + "/none", "x", {Scope::kRead}, {}).error().code, ErrorCode::kInvalidArgument);
}

TEST_F(TokensCommand, RevokesByNameAndLeavesTheFile) {
  const auto token = make_token(data_, "ci", {Scope::kRead}, {});
  ASSERT_TRUE(token);
  EXPECT_EQ(revoke_token(data_, "other").error().code, ErrorCode::kNotFound);
  ASSERT_TRUE(revoke_token(data_, "ci"));
  EXPECT_EQ(list().by_secret(*token), nullptr);
  EXPECT_TRUE(std::filesystem::exists(access::token_list_path(data_)));
}

TEST_F(TokensCommand, DropsNoLineItCannotRead) {
  std::ofstream(access::token_list_path(data_)) << "half a li";
  EXPECT_EQ(make_token(data_, "ci", {Scope::kRead}, {}).error().code, ErrorCode::kConflict);
  EXPECT_EQ(revoke_token(data_, "ci").error().code, ErrorCode::kConflict);
}

}  // namespace
}  // namespace answermill::command
