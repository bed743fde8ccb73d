#include "workers/extract/document_type.h"

#include <gtest/gtest.h>

namespace answermill::extract {
namespace {

using namespace std::string_view_literals;

ErrorCode code_of(std::string_view head, std::string_view name) {
  const auto type = sniff(head, name);
  return type ? ErrorCode::kOk : type.error().code;
}

TEST(DocumentType, FindsThePdfHeaderInTheFirstKilobyte) {
  EXPECT_EQ(sniff("%PDF-1.7\n", "x")->format, "pdf");
  EXPECT_EQ(sniff(std::string(900, '\n') + "%PDF-1.4", "notes.txt")->format, "pdf");
  EXPECT_EQ(sniff("See %PDF\n", "notes.txt")->format, "text");
}

TEST(DocumentType, TellsMarkdownByItsName) {
  EXPECT_EQ(sniff("# Title\n", "README.MD")->format, "markdown");
  EXPECT_EQ(sniff("# comment\n", "run.sh")->format, "text");
}

TEST(DocumentType, RefusesAnEmptyFile) { EXPECT_EQ(code_of("", "a.pdf"), ErrorCode::kEmptyFile); }

TEST(DocumentType, NamesWhatItRefuses) {
  const auto refuse = [](std::string_view head, std::string_view name, std::string_view what) {
    const auto type = sniff(head, name);
    ASSERT_FALSE(type) << what;
    EXPECT_EQ(type.error().code, ErrorCode::kUnsupported);
    EXPECT_NE(type.error().message.find(what), std::string::npos) << type.error().message;
    EXPECT_NE(type.error().message.find("supported are PDF"), std::string::npos);
  };
  refuse("\x89PNG\r\n\x1A\n\0\0"sv, "scan.pdf", "a PNG image named .pdf");
  refuse("PK\x03\x04....[Content_Types].xml..word/document.xml"sv, "a.docx", ".docx");
  refuse("PK\x03\x04whatever"sv, "a.zip", "ZIP");
  refuse(std::string(65536, '\0'), "zeros.bin", "zero bytes");
  refuse("\x01\x02\x03\x04\0\0\xFE\x80\x81"sv, "x", "binary data");
}

}  // namespace
}  // namespace answermill::extract
