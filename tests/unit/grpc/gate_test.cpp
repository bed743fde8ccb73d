#include "frontend/grpc/gate.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "shared/base/ids.h"

namespace answermill::grpc_bridge {
namespace {

class Gates : public ::testing::Test {
 protected:
  ~Gates() override { std::filesystem::remove(path_); }
  void list(const std::string& secret) const {
    std::ofstream(path_) << access::format_token_list(
        {{{"ci", {access::Scope::kAsk}, {}, sha256(secret), {}}}, 0});
  }
  std::string path_ = (std::filesystem::temp_directory_path() / ("answermill-" + random_id())).string();
};

TEST_F(Gates, PassOnWhatIsOfferedWhenNothingIsNeeded) {
  const Gate gate("", "");
  EXPECT_EQ(gate.admit(""), "");
  EXPECT_EQ(gate.admit("bearer x"), "Bearer x");
  EXPECT_EQ(gate.admit("Basic x"), "");
  EXPECT_FALSE(gate.has_tokens());
}

TEST_F(Gates, AskForTheTokenOfTheConfiguration) {
  const Gate gate("s3cret", "");
  EXPECT_EQ(gate.admit("Bearer s3cret"), "Bearer s3cret");
  EXPECT_FALSE(gate.admit(""));
  EXPECT_FALSE(gate.admit("Bearer "));
  EXPECT_FALSE(gate.admit("Bearer s3cre"));
}

TEST_F(Gates, FollowTheTokensFile) {
  Gate gate("s3cret", path_);
  ASSERT_TRUE(gate.refresh());
  EXPECT_FALSE(gate.admit("Bearer am_one"));
  list("am_one");
  ASSERT_TRUE(gate.refresh());
  EXPECT_EQ(gate.admit("Bearer am_one"), "Bearer am_one");
  EXPECT_EQ(gate.admit("Bearer s3cret"), "Bearer s3cret");
  EXPECT_FALSE(gate.admit("Bearer am_two"));
  std::filesystem::remove(path_);
  EXPECT_FALSE(gate.refresh());
  EXPECT_TRUE(gate.admit("Bearer am_one"));
}

}  // namespace
}  // namespace answermill::grpc_bridge
