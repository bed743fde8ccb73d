#include "frontend/server/catalog/file_name.h"

#include <gtest/gtest.h>

#include "frontend/server/api/file_answer.h"
#include "shared/text/utf8.h"

namespace answermill::frontend {
namespace {

TEST(DisplayName, KeepsWhatPeopleMean) {
  EXPECT_EQ(display_name("report.pdf"), "report.pdf");
  EXPECT_EQ(display_name("Überblick 📄 2024.pdf"), "Überblick 📄 2024.pdf");
  EXPECT_EQ(display_name("報告.md"), "報告.md");
}

TEST(DisplayName, DropsPathsAndTricks) {
  EXPECT_EQ(display_name("../../etc/passwd"), "passwd");
  EXPECT_EQ(display_name("C:\\docs\\a.txt"), "a.txt");
  EXPECT_EQ(display_name("../🎉.pdf"), "🎉.pdf");
  EXPECT_EQ(display_name("a\r\nb\x1b[0m.txt"), "ab[0m.txt");
  EXPECT_EQ(display_name("exe\xE2\x80\xAE"
                         "fdp.pdf"),
            "exefdp.pdf");
  EXPECT_EQ(display_name(".."), "document");
  EXPECT_EQ(display_name("x/"), "document");
  EXPECT_EQ(display_name("   "), "document");
}

TEST(DisplayName, BoundsTheLengthAndKeepsTheExtension) {
  std::string name;
  for (int i = 0; i < 200; ++i) name += "é";
  const std::string shown = display_name(name + ".pdf");
  EXPECT_LE(shown.size(), 200U);
  EXPECT_TRUE(shown.ends_with("é.pdf"));
  EXPECT_TRUE(text::is_valid_utf8(shown));
}

TEST(DisplayName, RepairsBytes) { EXPECT_TRUE(text::is_valid_utf8(display_name("a\xFF\xC3.txt"))); }

TEST(ContentDisposition, CannotBeBrokenOutOf) {
  EXPECT_EQ(content_disposition("a\"\r\nb é.pdf"),
            "attachment; filename=\"a___b __.pdf\"; filename*=UTF-8''a%22%0D%0Ab%20%C3%A9.pdf");
}

}  // namespace
}  // namespace answermill::frontend
