#include "shared/bus/keys.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "shared/base/ids.h"

namespace answermill::bus {
namespace {

class Keys : public testing::Test {
 protected:
  Keys() { std::filesystem::create_directories(folder_); }
  ~Keys() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  static mode_t mode(const std::string& path) {
    struct stat facts {};
    return ::stat(path.c_str(), &facts) == 0 ? facts.st_mode & 0777U : 0;
  }
  void write(const std::string& name, const std::string& text) const { std::ofstream(path(name)) << text; }

  std::string folder_ = testing::TempDir() + "keys-" + random_id();
};

KeyFile example() {
  KeyFile key{"gpu-1", *RoleSet::parse("extract,embed"), new_key_pair(), new_key_pair().public_key};
  return key;
}

TEST(RoleSet, KnowsItsNamesAndNoOthers) {
  const auto roles = RoleSet::parse("embed,extract");
  ASSERT_TRUE(roles);
  EXPECT_EQ(roles->text(), "extract,embed");
  EXPECT_TRUE(roles->has(Role::kEmbed));
  EXPECT_FALSE(roles->has(Role::kFrontend));
  EXPECT_FALSE(RoleSet::parse("record"));
  EXPECT_FALSE(RoleSet::parse(""));
  EXPECT_FALSE(RoleSet::parse(",,"));
}

TEST(Peer, ServesTheStagesOfItsRolesOnly) {
  const Peer worker{"k", RoleSet(Role::kEmbed)};
  EXPECT_TRUE(worker.may_serve("embed"));
  EXPECT_FALSE(worker.may_serve("extract"));
  EXPECT_FALSE(worker.may_serve("record"));
  EXPECT_FALSE(worker.may_serve("frontend"));
  EXPECT_FALSE(worker.may_serve("anything"));
  EXPECT_TRUE((Peer{"k", RoleSet(Role::kFrontend)}).may_serve("record"));
  EXPECT_TRUE(Peer{}.may_serve("anything"));  // of this host
}

TEST_F(Keys, FilesComeBackAsTheyWereAndAreTheirOwnersAlone) {
  const KeyFile key = example();
  ASSERT_TRUE(write_private_file(path("a.key"), format_key_file(key)));
  EXPECT_EQ(mode(path("a.key")), 0600U);
  const auto read = read_key_file(path("a.key"));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->name, key.name);
  EXPECT_EQ(read->roles, key.roles);
  EXPECT_EQ(read->pair.secret_key, key.pair.secret_key);
  EXPECT_EQ(read->broker, key.broker);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);  // nothing is left beside it
}

TEST_F(Keys, RefusesASecretThatOthersCanRead) {
  ASSERT_TRUE(write_private_file(path("a.key"), format_key_file(example())));
  ASSERT_EQ(::chmod(path("a.key").c_str(), 0640), 0);
  EXPECT_EQ(read_key_file(path("a.key")).error().code, ErrorCode::kForbidden);
}

TEST_F(Keys, ErrorsNeverQuoteTheFile) {
  KeyFile key = example();
  const std::string secret = key.pair.secret_key;
  key.pair.public_key = "short";
  ASSERT_TRUE(write_private_file(path("a.key"), format_key_file(key)));
  const auto read = read_key_file(path("a.key"));
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().message.find(secret), std::string::npos);
  EXPECT_EQ(read_key_file(path("none")).error().code, ErrorCode::kNotFound);
}

TEST_F(Keys, TheBrokersPairIsMadeOnce) {
  const auto first = broker_keys(folder_);
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(mode(keys_folder(folder_)), 0700U);
  EXPECT_EQ(mode(broker_key_path(folder_)), 0600U);
  EXPECT_EQ(broker_keys(folder_)->public_key, first->public_key);
}

TEST(AllowList, ADamagedLineLetsNobodyIn) {
  const std::string a = new_key_pair().public_key;
  const std::string b = new_key_pair().public_key;
  const auto list = parse_allow_list("# comment\n one extract " + a + " 2026-01-01\r\n" + "two nobody " + b +
                                     "\n" +                                 // no such role
                                     "three embed " + b.substr(1) + "\n" +  // no whole key
                                     "one embed " + b + "\n" +              // the name again
                                     "four embed " + a + "\n" +             // the key again
                                     "five\n../six embed " + b + "\n");
  ASSERT_EQ(list.keys.size(), 1U);
  EXPECT_EQ(list.damaged, 6);
  ASSERT_NE(list.by_key(a), nullptr);
  EXPECT_EQ(list.by_key(a)->roles, RoleSet(Role::kExtract));
  EXPECT_EQ(list.by_key(b), nullptr);
  EXPECT_EQ(parse_allow_list(format_allow_list(list)).keys.size(), 1U);
}

TEST_F(Keys, AMissingListIsEmpty) {
  const auto list = read_allow_list(path("allowed"));
  ASSERT_TRUE(list);
  EXPECT_TRUE(list->keys.empty());
}

}  // namespace
}  // namespace answermill::bus
