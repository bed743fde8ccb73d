#include "shared/config/settings_file.h"

#include <gtest/gtest.h>

namespace answermill::config {
namespace {

TEST(SettingsFile, ReadsNamesValuesAndSections) {
  const auto settings = parse_settings(
      "\xEF\xBB\xBF# a comment\n data = /var/x \r\n\n[ generate ]\nurl=http://a/#b # c\nempty =");
  ASSERT_TRUE(settings.has_value()) << settings.error().message;
  ASSERT_EQ(settings->size(), 3U);
  EXPECT_EQ((*settings)[0].name, "data");
  EXPECT_EQ((*settings)[0].value, "/var/x");
  EXPECT_EQ((*settings)[0].line, 2);
  EXPECT_EQ((*settings)[0].section, "");
  EXPECT_EQ((*settings)[1].section, "generate");
  EXPECT_EQ((*settings)[1].value, "http://a/#b");
  EXPECT_EQ((*settings)[2].value, "");
}

TEST(SettingsFile, NamesEveryBadLine) {
  const auto settings = parse_settings("novalue\n[open\n= x\nfine = 1\n");
  ASSERT_FALSE(settings.has_value());
  EXPECT_EQ(
      settings.error().message,
      "line 1: expected name = value\nline 2: a section looks like [name]\nline 3: expected name = value");
}

TEST(SettingsFile, NamesTheMissingFile) {
  const auto settings = read_settings("/nonexistent/answermill.conf");
  ASSERT_FALSE(settings.has_value());
  EXPECT_EQ(settings.error().code, ErrorCode::kNotFound);
  EXPECT_NE(settings.error().message.find("/nonexistent/answermill.conf"), std::string::npos);
}

TEST(SettingsFile, SplitsLists) {
  EXPECT_EQ(split_list(" a, b,,c ,"), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_TRUE(split_list(" , ").empty());
}

}  // namespace
}  // namespace answermill::config
