#include "shared/config/config.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

namespace answermill::config {
namespace {

class ConfigTable : public ::testing::Test {
 protected:
  ConfigTable() : table("mill", "grinds") {
    table.text("name", &name, {"MILL_TEST_NAME", "MILL_TEST_ALIAS"}, "NAME", "what it is called")
        .secret("key", &key, {"MILL_TEST_KEY"}, "the key")
        .integer("limit", &limit, 1, std::int64_t{1} << 40, {"MILL_TEST_LIMIT"}, "BYTES", "the limit")
        .number("ratio", &ratio, 0, 1, {}, "R", "a ratio")
        .flag("fast", &fast, {"MILL_TEST_FAST"}, "be fast")
        .list("listen", &listen, {"MILL_TEST_LISTEN"}, "HOST:PORT", "where to listen");
  }
  ~ConfigTable() override {
    for (const char* variable : {"MILL_TEST_NAME", "MILL_TEST_ALIAS", "MILL_TEST_KEY", "MILL_TEST_LIMIT",
                                 "MILL_TEST_FAST", "MILL_TEST_LISTEN"}) {
      unsetenv(variable);
    }
  }

  Result<Table::Loaded> load(std::vector<const char*> words) {
    words.insert(words.begin(), "mill");
    return table.load(static_cast<int>(words.size()), words.data());
  }
  std::string file(const std::string& text) {
    const std::string path = ::testing::TempDir() + "/config_test.conf";
    std::ofstream(path) << text;
    return path;
  }

  std::string name = "default";
  std::string key;
  std::int64_t limit = 7;
  double ratio = 0.5;
  bool fast = false;
  std::vector<std::string> listen = {"localhost:8000"};
  Table table;
};

TEST_F(ConfigTable, KeepsDefaults) {
  ASSERT_TRUE(load({}).has_value());
  EXPECT_EQ(name, "default");
  EXPECT_EQ(limit, 7);
  EXPECT_EQ(listen, std::vector<std::string>{"localhost:8000"});
}

TEST_F(ConfigTable, LaterLayersWin) {
  const std::string path = file("name = file\nlimit = 1\nratio = 0.25\nlisten = a:1, b:2\n");
  setenv("MILL_TEST_NAME", "environment", 1);
  setenv("MILL_TEST_LIMIT", "2", 1);
  ASSERT_TRUE(load({"--config", path.c_str(), "--limit=3"}).has_value());
  EXPECT_EQ(name, "environment");
  EXPECT_EQ(limit, 3);
  EXPECT_EQ(ratio, 0.25);
  EXPECT_EQ(listen, (std::vector<std::string>{"a:1", "b:2"}));
}

TEST_F(ConfigTable, FirstSetVariableWinsAndEmptyCountsAsUnset) {
  setenv("MILL_TEST_NAME", "", 1);
  setenv("MILL_TEST_ALIAS", "alias", 1);
  ASSERT_TRUE(load({}).has_value());
  EXPECT_EQ(name, "alias");
  setenv("MILL_TEST_NAME", "first", 1);
  ASSERT_TRUE(load({}).has_value());
  EXPECT_EQ(name, "first");
}

TEST_F(ConfigTable, RepeatedListFlagReplacesTheDefault) {
  ASSERT_TRUE(load({"--listen", "a:1", "--listen=b:2,c:3"}).has_value());
  EXPECT_EQ(listen, (std::vector<std::string>{"a:1", "b:2", "c:3"}));
}

TEST_F(ConfigTable, SwitchesNeedNoValue) {
  const auto loaded = load({"--fast", "word"});
  ASSERT_TRUE(loaded.has_value());
  EXPECT_TRUE(fast);
  EXPECT_EQ(loaded->positional, std::vector<std::string>{"word"});
  ASSERT_TRUE(load({"--fast=no"}).has_value());
  EXPECT_FALSE(fast);
}

TEST_F(ConfigTable, ByteSuffixes) {
  ASSERT_TRUE(load({"--limit", "64K"}).has_value());
  EXPECT_EQ(limit, 65536);
  ASSERT_TRUE(load({"--limit", "2GiB"}).has_value());
  EXPECT_EQ(limit, std::int64_t{2} << 30);
  EXPECT_FALSE(load({"--limit", "9999999999G"}).has_value());
  EXPECT_FALSE(load({"--limit", "M"}).has_value());
}

TEST_F(ConfigTable, DashDashEndsFlags) {
  const auto loaded = load({"--", "--fast", "-"});
  ASSERT_TRUE(loaded.has_value());
  EXPECT_FALSE(fast);
  EXPECT_EQ(loaded->positional, (std::vector<std::string>{"--fast", "-"}));
}

TEST_F(ConfigTable, ReportsEveryProblemTogether) {
  const std::string path = file("nam = x\nlimit = 0\nratio = 2\nratio = 1\n[part]\nname = x\n");
  setenv("MILL_TEST_FAST", "maybe", 1);
  const auto loaded = load({"--config", path.c_str(), "--nope", "--name"});
  ASSERT_FALSE(loaded.has_value());
  EXPECT_EQ(loaded.error().code, ErrorCode::kInvalidArgument);
  for (const char* part : {"line 1: nam: no such key", "line 2: limit: 0 is not within",
                           "ratio: is set twice", "[part]: no such section", "MILL_TEST_FAST: 'maybe'",
                           "--nope: no such flag", "--name: needs a value"}) {
    EXPECT_NE(loaded.error().message.find(part), std::string::npos) << part << "\n" << loaded.error().message;
  }
}

TEST(ConfigSections, ProgramReadsItsOwnSectionOnly) {
  const std::string path = ::testing::TempDir() + "/config_sections.conf";
  std::ofstream(path) << "data = /srv\n[generate]\nmodel = m\n[embed]\nslots = 3\n";
  std::string data;
  std::string model;
  Table table("answermill-generate", "answers");
  table.text("data", &data, {}, "DIR", "").text("model", &model, {}, "NAME", "");
  const char* words[] = {"answermill-generate", "--config", path.c_str()};
  const auto loaded = table.load(3, words);
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
  EXPECT_EQ(data, "/srv");
  EXPECT_EQ(model, "m");
}

TEST_F(ConfigTable, RefusesSecretsAsFlagsWithoutEchoingThem) {
  const auto loaded = load({"--key", "hunter2"});
  ASSERT_FALSE(loaded.has_value());
  EXPECT_NE(loaded.error().message.find("MILL_TEST_KEY"), std::string::npos);
  EXPECT_EQ(loaded.error().message.find("hunter2"), std::string::npos);
}

TEST_F(ConfigTable, PrintMasksSecrets) {
  setenv("MILL_TEST_KEY", "hunter2", 1);
  ASSERT_TRUE(load({}).has_value());
  EXPECT_EQ(key, "hunter2");
  EXPECT_NE(table.print().find("key = [secret]\n"), std::string::npos);
  EXPECT_EQ(table.print().find("hunter2"), std::string::npos);
  EXPECT_EQ(table.help().find("hunter2"), std::string::npos);
}

TEST_F(ConfigTable, PrintedSettingsLoadAgain) {
  ASSERT_TRUE(load({"--name", "x y", "--fast", "--ratio", "0.125"}).has_value());
  const std::string path = file(table.print());
  name = "";
  fast = false;
  ratio = 1;
  ASSERT_TRUE(load({"--config", path.c_str()}).has_value());
  EXPECT_EQ(name, "x y");
  EXPECT_TRUE(fast);
  EXPECT_EQ(ratio, 0.125);
}

TEST_F(ConfigTable, HelpAndPrintConfigAnswerAtOnce) {
  ::testing::internal::CaptureStdout();
  const auto helped = load({"--nope", "--help"});
  const std::string text = ::testing::internal::GetCapturedStdout();
  ASSERT_TRUE(helped.has_value());
  EXPECT_TRUE(helped->exit_now);
  EXPECT_NE(text.find("--limit BYTES"), std::string::npos);
  EXPECT_NE(text.find("MILL_TEST_NAME, MILL_TEST_ALIAS"), std::string::npos);

  ::testing::internal::CaptureStdout();
  const auto printed = load({"--print-config"});
  EXPECT_NE(::testing::internal::GetCapturedStdout().find("limit = 7\n"), std::string::npos);
  ASSERT_TRUE(printed.has_value());
  EXPECT_TRUE(printed->exit_now);
}

}  // namespace
}  // namespace answermill::config
