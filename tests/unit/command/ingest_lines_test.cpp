#include "frontend/command/client/ingest_lines.h"

#include <gtest/gtest.h>

#include "shared/text/utf8.h"

namespace answermill::command {
namespace {

FileProgress processing(int extracted, int searchable, double progress) {
  FileProgress file;
  file.path = "dir/report.pdf";
  file.name = "report.pdf";
  file.state = FileState::kProcessing;
  file.document = {
      {"id", "d1"},
      {"progress", progress},
      {"eta_ms", 5200},
      {"chunks", 1200},
      {"pages",
       {{"total", 190}, {"extracted", extracted}, {"embedded", searchable}, {"searchable", searchable}}}};
  return file;
}

TEST(BarLine, ShowsStagesAndTimeLeft) {
  const std::string line = bar_line(processing(120, 88, 0.5), 200);
  EXPECT_NE(line.find("50 %"), std::string::npos) << line;
  EXPECT_NE(line.find("120 read, 88 embedded, 88 searchable of 190 pages, 5.2 s left"), std::string::npos)
      << line;
  EXPECT_NE(line.find("██████████░░░░░░░░░░"), std::string::npos) << line;
}

TEST(BarLine, NeverExceedsItsWidth) {
  for (std::size_t width = 1; width < 120; ++width) {
    EXPECT_LE(text::count_code_points(bar_line(processing(120, 88, 7.5), width)), width);
  }
}

TEST(FinalLines, NamesPagesThatWereLost) {
  FileProgress file = processing(190, 189, 1);
  file.state = FileState::kReady;
  file.document["warnings"] = {{{"pages", {12}}, {"code", "crashed"}, {"message", "the parser\ncrashed"}}};
  EXPECT_EQ(
      final_lines(file),
      "dir/report.pdf: 189 of 190 pages searchable, 1,200 passages (id d1)\n  without page 12: the parser "
      "crashed\n");
}

TEST(FinalLines, SaysWhyItFailed) {
  FileProgress file;
  file.path = "a.docx";
  file.state = FileState::kFailed;
  file.problem = "not supported (unsupported)";
  EXPECT_EQ(final_lines(file), "a.docx: failed: not supported (unsupported)\n");
}

TEST(PlainLine, SpeaksOnceAQuarter) {
  PlainMemory shown;
  std::string spoken;
  for (int page = 0; page <= 190; ++page) spoken += plain_line(processing(page, page, page / 190.0), shown);
  int lines = 0;
  for (const char c : spoken) lines += c == '\n' ? 1 : 0;
  EXPECT_EQ(lines, 5);
}

}  // namespace
}  // namespace answermill::command
