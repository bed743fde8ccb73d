#include "shared/access/token_list.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <string>

#include "shared/base/ids.h"

namespace answermill::access {
namespace {

Token token(std::string name, std::string_view secret, ScopeSet scopes = {Scope::kRead}) {
  return {std::move(name), scopes, {}, sha256(secret), "2026-01-02"};
}

TEST(ScopeSet, ParsesAndPrints) {
  const auto scopes = ScopeSet::parse("ask,read,");
  ASSERT_TRUE(scopes);
  EXPECT_EQ(scopes->text(), "read,ask");
  EXPECT_TRUE(scopes->allows_any_of({Scope::kAsk, Scope::kWrite}));
  EXPECT_FALSE(scopes->allows_any_of({Scope::kWrite}));
  EXPECT_FALSE(scopes->allows_any_of({}));
  EXPECT_TRUE(ScopeSet({Scope::kAdmin}).allows_any_of({Scope::kWrite}));
  EXPECT_FALSE(ScopeSet::parse(""));
  EXPECT_FALSE(ScopeSet::parse("read,root"));
}

TEST(TokenList, KeepsEverythingThroughItsText) {
  TokenList list;
  list.tokens.push_back(token("ci", "am_one", {Scope::kRead, Scope::kAsk}));
  list.tokens.push_back(token("alice", "am_two", {Scope::kAdmin}));
  list.tokens.back().collections = {"manuals", "law.2024"};
  const std::string text = format_token_list(list);
  EXPECT_EQ(text.find("am_"), std::string::npos);
  const TokenList read = parse_token_list(text);
  EXPECT_EQ(read.tokens, list.tokens);
  EXPECT_EQ(read.damaged, 0);
}

TEST(TokenList, FindsTheHolderOfASecret) {
  TokenList list;
  for (int i = 0; i < 50; ++i)
    list.tokens.push_back(token("t" + std::to_string(i), "am_" + std::to_string(i)));
  ASSERT_NE(list.by_secret("am_17"), nullptr);
  EXPECT_EQ(list.by_secret("am_17")->name, "t17");
  EXPECT_EQ(list.by_secret("am_50"), nullptr);
  EXPECT_EQ(list.by_secret(""), nullptr);
}

TEST(TokenList, LetsNobodyInByADamagedLine) {
  const std::string good = format_token_list({{token("ci", "am_one")}, 0});
  const std::string line = good.substr(good.rfind('\n', good.size() - 2) + 1);
  for (const std::string& bad :
       {std::string("ci read"), line.substr(1) + "x", "ci root " + to_hex(sha256("x")) + " *\n",
        "ci read " + to_hex(sha256("x")).substr(1) + " *\n", "c/i read " + to_hex(sha256("x")) + " *\n",
        "ci read " + to_hex(sha256("x")) + " ,\n", "ci read " + to_hex(sha256("x")) + "\n"}) {
    const TokenList list = parse_token_list(bad);
    EXPECT_TRUE(list.tokens.empty() || list.tokens[0].name == "i") << bad;
  }
  const TokenList twice = parse_token_list(line + line + "\r\n# no\n");
  EXPECT_EQ(twice.tokens.size(), 1U);
  EXPECT_EQ(twice.damaged, 1);
}

TEST(TokenList, SurvivesAnyBytes) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const std::string good = format_token_list({{token("a", "x"), token("b", "y")}, 0});
  for (int round = 0; round < 2000; ++round) {
    std::string text = good;
    for (int edit = 0; edit < 4; ++edit) text[random() % text.size()] = static_cast<char>(random());
    for (const Token& one : parse_token_list(text).tokens) EXPECT_TRUE(is_token_name(one.name));
  }
}

TEST(NewToken, IsLongAndNeverTheSame) {
  EXPECT_EQ(new_token().size(), 43U);
  EXPECT_EQ(new_token().substr(0, 3), "am_");
  EXPECT_NE(new_token(), new_token());
}

class TokenFiles : public ::testing::Test {
 protected:
  TokenFiles() { std::filesystem::create_directories(folder_); }
  ~TokenFiles() override { std::filesystem::remove_all(folder_); }
  void write(const std::string& text) const {
    std::ofstream(path_ + ".new") << text;
    std::filesystem::rename(path_ + ".new", path_);
  }

  std::filesystem::path folder_ = std::filesystem::temp_directory_path() / ("answermill-" + random_id());
  std::string path_ = (folder_ / "tokens").string();
};

TEST_F(TokenFiles, AreReadWhenTheyChange) {
  TokenFile file(path_);
  auto read = file.refresh();
  ASSERT_TRUE(read && !*read);
  write(format_token_list({{token("a", "x")}, 0}));
  read = file.refresh();
  ASSERT_TRUE(read && *read);
  EXPECT_EQ((*read)->tokens.size(), 1U);
  read = file.refresh();
  EXPECT_TRUE(read && !*read);
  write(format_token_list({}));
  read = file.refresh();
  ASSERT_TRUE(read && *read);
  EXPECT_TRUE((*read)->tokens.empty());
}

TEST_F(TokenFiles, ThatVanishAreToldOnce) {
  TokenFile file(path_);
  write(format_token_list({{token("a", "x")}, 0}));
  ASSERT_TRUE(file.refresh());
  std::filesystem::remove(path_);
  EXPECT_FALSE(file.refresh());
  const auto again = file.refresh();
  EXPECT_TRUE(again && !*again);
  write(format_token_list({{token("b", "y")}, 0}));
  const auto back = file.refresh();
  ASSERT_TRUE(back && *back);
  EXPECT_EQ((*back)->tokens[0].name, "b");
}

}  // namespace
}  // namespace answermill::access
