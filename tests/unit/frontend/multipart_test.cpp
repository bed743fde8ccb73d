#include "frontend/server/api/multipart.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace answermill::frontend {
namespace {

struct Part {
  PartHeader header;
  std::string data;
  bool ended = false;
};

struct Collector final : MultipartHandler {
  void on_part(const PartHeader& header) override { parts.push_back({header, {}, false}); }
  void on_part_data(std::string_view bytes) override { parts.back().data.append(bytes); }
  void on_part_end() override { parts.back().ended = true; }
  std::vector<Part> parts;
};

const std::string kBody =
    "preamble\r\n--X-1\r\nContent-Disposition: form-data; name=\"collection\"\r\n\r\nlaw\r\n"
    "--X-1 \r\ncontent-type: application/pdf\r\nContent-Disposition: form-data; name=\"f\"; "
    "filename=\"a%22b;\\\"c.pdf\""
    "\r\n\r\nbytes\r\n--X-\r\n--X-\r\r\n\n\r\n--X-1\r\nContent-Disposition: form-data; name=f; "
    "filename=empty.txt"
    "\r\n\r\n\r\n--X-1--\r\nepilogue --X-1";

void expect_parts(const Collector& seen) {
  ASSERT_EQ(seen.parts.size(), 3U);
  EXPECT_EQ(seen.parts[0].header.name, "collection");
  EXPECT_FALSE(seen.parts[0].header.is_file);
  EXPECT_EQ(seen.parts[0].data, "law");
  EXPECT_EQ(seen.parts[1].header.file_name, "a\"b;\"c.pdf");
  EXPECT_EQ(seen.parts[1].header.content_type, "application/pdf");
  EXPECT_EQ(seen.parts[1].data, "bytes\r\n--X-\r\n--X-\r\r\n\n");
  EXPECT_EQ(seen.parts[2].header.file_name, "empty.txt");
  EXPECT_TRUE(seen.parts[2].header.is_file);
  EXPECT_EQ(seen.parts[2].data, "");
  for (const auto& part : seen.parts) EXPECT_TRUE(part.ended);
}

TEST(MultipartParser, GivesTheSameForEverySplit) {
  for (std::size_t cut = 0; cut <= kBody.size(); ++cut) {
    Collector seen;
    MultipartParser parser("X-1", seen);
    ASSERT_TRUE(parser.feed(std::string_view(kBody).substr(0, cut)));
    ASSERT_TRUE(parser.feed(std::string_view(kBody).substr(cut)));
    ASSERT_TRUE(parser.end());
    expect_parts(seen);
  }
}

TEST(MultipartParser, TakesSingleBytes) {
  Collector seen;
  MultipartParser parser("X-1", seen);
  for (const char c : kBody) ASSERT_TRUE(parser.feed({&c, 1}));
  EXPECT_TRUE(parser.end());
  expect_parts(seen);
}

TEST(MultipartParser, TakesAFormWithoutPreamble) {
  Collector seen;
  MultipartParser parser("b", seen);
  ASSERT_TRUE(parser.feed(
      "--b\r\nContent-Disposition: form-data; name=a; filename*=UTF-8''caf%C3%A9.txt\r\n\r\nx\r\n--b--"));
  EXPECT_TRUE(parser.end());
  ASSERT_EQ(seen.parts.size(), 1U);
  EXPECT_EQ(seen.parts[0].header.file_name, "café.txt");
}

TEST(MultipartParser, SaysWhenTheFormIsCutShort) {
  for (std::size_t cut = 0; cut + 16 < kBody.size(); ++cut) {
    Collector seen;
    MultipartParser parser("X-1", seen);
    ASSERT_TRUE(parser.feed(std::string_view(kBody).substr(0, cut)));
    EXPECT_FALSE(parser.end());
  }
}

TEST(MultipartParser, RefusesEndlessHeaders) {
  Collector seen;
  MultipartParser parser("b", seen);
  ASSERT_TRUE(parser.feed("--b\r\n"));
  bool refused = false;
  for (int i = 0; i < 100 && !refused; ++i) refused = !parser.feed(std::string(1000, 'h'));
  EXPECT_TRUE(refused);
  EXPECT_FALSE(parser.feed("more"));
}

TEST(MultipartParser, SurvivesNoise) {
  std::mt19937 random(7);
  const std::string alphabet = "\r\n-b :;=\"x";
  for (int round = 0; round < 3000; ++round) {
    Collector seen;
    MultipartParser parser("b", seen);
    std::string fed;
    for (int piece = 0; piece < 6; ++piece) {
      std::string bytes;
      for (unsigned i = random() % 20; i > 0; --i) bytes.push_back(alphabet[random() % alphabet.size()]);
      if (random() % 3 == 0) bytes += "--b\r\n\r\n\r\n";
      fed += bytes;
      if (!parser.feed(bytes)) break;
    }
    std::size_t data = 0;
    for (const auto& part : seen.parts) data += part.data.size();
    EXPECT_LE(data, fed.size());
  }
}

TEST(MultipartBoundary, ReadsTheHeader) {
  EXPECT_EQ(*multipart_boundary("multipart/form-data; boundary=abc"), "abc");
  EXPECT_EQ(*multipart_boundary("Multipart/Form-Data; charset=x; boundary=\"a b\""), "a b");
  EXPECT_EQ(multipart_boundary("multipart/form-data").error().code, ErrorCode::kMalformed);
  EXPECT_EQ(multipart_boundary("text/plain; boundary=x").error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(multipart_boundary("").error().code, ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace answermill::frontend
