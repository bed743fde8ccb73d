#include "frontend/command/fleet/folders.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>

namespace answermill::command {
namespace {

namespace fs = std::filesystem;

class Folders : public ::testing::Test {
 protected:
  Folders() {
    std::string made = ::testing::TempDir() + "/folders-XXXXXX";
    root = ::mkdtemp(made.data());
  }
  ~Folders() override { fs::remove_all(root); }
  fs::path root;
};

TEST_F(Folders, SecondOwnerIsRefusedUntilTheFirstLetsGo) {
  auto first = take_data_folder((root / "data").string());
  ASSERT_TRUE(first.has_value()) << first.error().message;
  const auto second = take_data_folder((root / "data").string());
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, ErrorCode::kConflict);
  EXPECT_NE(second.error().message.find("in use"), std::string::npos);
  EXPECT_NE(second.error().message.find(std::to_string(::getpid())), std::string::npos);
  first->lock.reset();
  EXPECT_TRUE(take_data_folder((root / "data").string()).has_value());
}

TEST_F(Folders, TokenIsPrivateAndKept) {
  const auto token = access_token(root.string());
  ASSERT_TRUE(token.has_value());
  EXPECT_EQ(token->size(), 32U);
  EXPECT_EQ(*access_token(root.string()), *token);
  struct stat info {};
  ASSERT_EQ(::stat((root / "access-token").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
}

TEST_F(Folders, RuntimeFolderIsPrivateAndShort) {
  ::setenv("XDG_RUNTIME_DIR", ("/" + std::string(200, 'x')).c_str(), 1);
  const auto folder = make_runtime_folder();
  ::unsetenv("XDG_RUNTIME_DIR");
  ASSERT_TRUE(folder.has_value());
  EXPECT_LE(folder->size() + std::string("/worker-events").size(), kLongestSocketPath);
  struct stat info {};
  ASSERT_EQ(::stat(folder->c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0700U);
  fs::remove_all(*folder);
}

}  // namespace
}  // namespace answermill::command
