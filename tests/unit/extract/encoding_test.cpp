#include "workers/extract/encoding.h"

#include <gtest/gtest.h>
#include <iconv.h>

#include <random>
#include <vector>

#include "shared/text/utf8.h"

namespace answermill::extract {
namespace {

constexpr std::string_view kGerman =
    "Die Stra\xC3\x9F"
    "e f\xC3\xBChrt \xC3\xBC"
    "ber die Br\xC3\xBC"
    "cke. Gr\xC3\xB6\xC3\x9F"
    "ere H\xC3\xA4user stehen"
    " am Flu\xC3\x9F. Die T\xC3\xBCren sind gr\xC3\xBCn, die D\xC3\xA4"
    "cher hei\xC3\x9F.\n";
constexpr std::string_view kJapanese =
    "\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E\xE3\x81\xAE\xE6\x96\x87\xE7\xAB\xA0\xE3\x81\xA7\xE3\x81\x99\xE3\x80"
    "\x82"
    "\xE3\x81\x93\xE3\x82\x8C\xE3\x81\xAF\xE3\x83\x86\xE3\x82\xB9\xE3\x83\x88\xE3\x81\xA7\xE3\x81\x99\xE3\x80"
    "\x82\n";

std::string repeated(std::string_view text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

std::string encode_as(const char* encoding, std::string_view utf8) {
  const iconv_t handle = iconv_open(encoding, "UTF-8");
  std::string out(utf8.size() * 4 + 16, '\0');
  char* in = const_cast<char*>(utf8.data());
  std::size_t in_left = utf8.size();
  char* to = out.data();
  std::size_t to_left = out.size();
  EXPECT_EQ(iconv(handle, &in, &in_left, &to, &to_left), 0U);
  iconv_close(handle);
  out.resize(out.size() - to_left);
  return out;
}

TEST(Encoding, DetectsWhatTextIsWrittenIn) {
  const std::string german = repeated(kGerman, 20);
  const std::string japanese = repeated(kJapanese, 20);
  EXPECT_EQ(detect_encoding("plain ascii"), "UTF-8");
  EXPECT_EQ(detect_encoding(german), "UTF-8");
  EXPECT_EQ(detect_encoding("\xEF\xBB\xBF" + german), "UTF-8");
  EXPECT_EQ(detect_encoding(german.substr(0, 7)), "UTF-8") << "a sample may end inside a character";
  EXPECT_EQ(detect_encoding(encode_as("WINDOWS-1252", german)), "WINDOWS-1252");
  EXPECT_EQ(detect_encoding(encode_as("CP932", japanese)), "CP932");
  EXPECT_EQ(detect_encoding(encode_as("EUC-JP", japanese)), "EUC-JP");
  EXPECT_EQ(detect_encoding(encode_as("UTF-16LE", german)), "UTF-16LE");
  EXPECT_EQ(detect_encoding(encode_as("UTF-16BE", german)), "UTF-16BE");
  EXPECT_EQ(detect_encoding("\xFF\xFE" + encode_as("UTF-16LE", japanese)), "UTF-16LE");
  EXPECT_EQ(detect_encoding(encode_as("UTF-32LE", german)), "UTF-32LE");
}

TEST(Encoding, RefusesBinaryData) {
  EXPECT_FALSE(detect_encoding(std::string(4096, '\0')));
  std::mt19937 random(7);
  std::string noise(4096, '\0');
  for (char& c : noise) c = static_cast<char>(random());
  EXPECT_FALSE(detect_encoding(noise));
}

TEST(Encoding, MapsEveryPlaceInTheTextBackToTheSource) {
  const std::string japanese = repeated(kJapanese, 3);
  for (const char* encoding : {"UTF-8", "CP932", "EUC-JP", "UTF-16LE", "UTF-32BE"}) {
    const std::string source = encode_as(encoding, japanese);
    ASSERT_EQ(decode(encoding, source, source.size() * 4, true).text, japanese) << encoding;
    for (std::size_t cut = 0; cut < japanese.size(); ++cut) {
      const std::size_t boundary = text::floor_boundary(japanese, cut);
      const Decoded head = decode(encoding, source, boundary, true);
      ASSERT_EQ(head.text, japanese.substr(0, boundary)) << encoding;
      const auto rest = std::string_view(source).substr(head.consumed);
      ASSERT_EQ(decode(encoding, rest, source.size() * 4, true).text, japanese.substr(boundary)) << encoding;
    }
  }
}

TEST(Encoding, ReplacesIllFormedBytes) {
  EXPECT_EQ(decode("UTF-8",
                   "a\xFF"
                   "b\xC3",
                   100, true)
                .text,
            "a\xEF\xBF\xBD"
            "b\xEF\xBF\xBD");
  EXPECT_EQ(decode("UTF-8", "a\xC3", 100, false).consumed, 1U) << "the cut character waits for its rest";
  EXPECT_TRUE(text::is_valid_utf8(decode("CP932", "\x82\xA0\xFF\xFF\x82", 100, true).text));
}

}  // namespace
}  // namespace answermill::extract
