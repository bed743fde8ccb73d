// Real documents through the whole stage: every file ends in text or in a typed error.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <sstream>

#include "tests/unit/extract/parser_world.h"
#include "workers/extract/code_points.h"
#include "workers/extract/pdf_parser.h"

namespace answermill::extract {
namespace {

namespace fs = std::filesystem;

class Documents : public testing::Test {
 protected:
  Documents()
      : zygote_(*Zygote::start({}, kPdfParser)),
        blobs_(folder_.path()),
        source_(blobs_),
        extractor_(zygote_, source_, options()) {}

  static ExtractorOptions options() {
    ExtractorOptions options;
    options.session.page = std::chrono::seconds(6);  // two of the odd files would take for ever
    return options;
  }

  Extracted run(const std::string& bytes, const std::string& name) {
    return extract_all(extractor_, blobs_, bytes, name);
  }
  Extracted run(const fs::path& file) { return run(read_file(file), file.filename().string()); }

  Zygote zygote_;
  TemporaryFolder folder_;
  store::BlobStore blobs_;
  runtime::StoredBlobs source_;
  Extractor extractor_;
};

void expect_consistent(const Extracted& out, const std::string& file) {
  EXPECT_EQ(out.embed_units, out.pages.size()) << file;
  EXPECT_EQ(out.pages.size() + out.failures.size(), out.total_pages) << file;
  std::map<std::uint32_t, std::u32string> texts;
  for (const auto& page : out.pages) texts[page.number] = to_code_points(page.text);
  for (const auto& chunk : out.chunks) {
    const auto& text = texts.at(chunk.page);
    ASSERT_LE(chunk.end, text.size()) << file;
    EXPECT_EQ(chunk.text, to_utf8(std::u32string_view(text).substr(chunk.begin, chunk.end - chunk.begin)))
        << file;
  }
}

struct ManifestRow {
  std::string file, pages, encrypted, status, characters;
};

// Reads the columns by the names in the first line.
std::vector<ManifestRow> manifest_of(const fs::path& folder) {
  std::istringstream in(read_file(folder / "MANIFEST.tsv"));
  std::vector<std::string> names;
  std::vector<ManifestRow> rows;
  for (std::string line; std::getline(in, line);) {
    std::istringstream cells(line);
    std::vector<std::string> row;
    for (std::string cell; std::getline(cells, cell, '\t');) row.push_back(cell);
    if (names.empty()) {
      names = row;
      continue;
    }
    const auto get = [&](const std::string& name) {
      const auto at = static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
      return at < row.size() ? row[at] : std::string();
    };
    rows.push_back({get("file"), get("pages"), get("encrypted"), get("status"), get("pdftotext_chars")});
  }
  return rows;
}

// Every file of a folder with a manifest against what pdfinfo and pdftotext made of it.
void compare(Documents& test, Extracted (*run)(Documents&, const fs::path&), const fs::path& folder) {
  int compared = 0;
  for (const auto& row : manifest_of(folder)) {
    const fs::path file = folder / row.file;
    if (!fs::exists(file)) continue;
    ++compared;
    const Extracted out = run(test, file);
    const bool opened = out.plan_code == ErrorCode::kOk;
    EXPECT_TRUE(opened || !out.plan_message.empty()) << row.file;
    if (row.status == "unopenable") {
      EXPECT_FALSE(opened) << row.file << " " << out.total_pages << " pages";
      if (row.encrypted.find("password") != std::string::npos) {
        EXPECT_EQ(out.plan_code, ErrorCode::kEncrypted) << row.file;
      }
      continue;
    }
    if (row.pages == "0") {
      EXPECT_EQ(out.plan_code, ErrorCode::kDamaged) << row.file;
    }
    if (!opened) {
      EXPECT_EQ(row.pages, "0") << row.file << ": " << out.plan_message;
      continue;
    }
    if (row.status == "timeout") {  // the peer did not end; we say so
      ASSERT_FALSE(out.failures.empty()) << row.file;
      EXPECT_TRUE(out.failures.front().code == ErrorCode::kTimeout ||
                  out.failures.front().code == ErrorCode::kLimit)
          << row.file;
      continue;
    }
    EXPECT_EQ(std::to_string(out.total_pages), row.pages) << row.file;
    for (const auto& failure : out.failures) EXPECT_FALSE(failure.message.empty());
    expect_consistent(out, row.file);
    if (row.characters == "0") {
      EXPECT_EQ(out.characters, 0) << row.file;
    }
    if (std::atol(row.characters.c_str()) > 50) {
      EXPECT_GT(out.characters, 0) << row.file;
    }
  }
  EXPECT_GT(compared, 20);
}

class Folder : public Documents {
 public:
  static Extracted run_one(Documents& test, const fs::path& file) {
    return static_cast<Folder&>(test).run(file);
  }
};

TEST_F(Folder, OddPdfsEndInTextOrATypedError) {
  const fs::path data = real_data("pdf-odd");
  if (data.empty()) GTEST_SKIP() << "no test data: set ANSWERMILL_DATA to the folder that holds pdf-odd";
  compare(*this, run_one, data / "pdfjs");
  compare(*this, run_one, data / "qpdf");
}

TEST_F(Folder, SamplesOfManyProducersAreRead) {
  const fs::path data = real_data("pdf-samples");
  if (data.empty()) GTEST_SKIP() << "no test data: set ANSWERMILL_DATA to the folder that holds pdf-samples";
  compare(*this, run_one, data);
}

TEST_F(Documents, FilingsKeepTableRowsWhole) {
  const fs::path data = real_data("filings");
  if (data.empty()) GTEST_SKIP() << "no test data: set ANSWERMILL_DATA to the folder that holds filings";
  const Extracted adobe = run(data / "ADOBE_2022_10K.pdf");
  ASSERT_EQ(adobe.plan_code, ErrorCode::kOk) << "encrypted without a user password";
  EXPECT_EQ(adobe.total_pages, 99U);
  expect_consistent(adobe, "ADOBE");
  const auto row = [&](std::string_view text) {
    return std::any_of(adobe.chunks.begin(), adobe.chunks.end(), [&](const auto& chunk) {
      return chunk.page == 54 && chunk.type == "table" && chunk.text.find(text) != std::string::npos;
    });
  };
  EXPECT_TRUE(row("Total revenue  17,606  15,785  12,868"));
  EXPECT_TRUE(row("Operating income  6,098  5,802  4,237"));
}

TEST_F(Documents, OfficeFilesAreRefusedByName) {
  const fs::path data = real_data("office");
  if (data.empty()) GTEST_SKIP() << "no test data: set ANSWERMILL_DATA to the folder that holds office";
  int refused = 0;
  for (const auto& entry : fs::directory_iterator(data)) {
    const std::string extension = entry.path().extension().string();
    if (extension != ".docx" && extension != ".xlsx" && extension != ".pptx" && extension != ".odt" &&
        extension != ".ods" && extension != ".odp" && extension != ".epub" && extension != ".msg") {
      continue;
    }
    ++refused;
    const Extracted out = run(entry.path());
    EXPECT_EQ(out.plan_code, ErrorCode::kUnsupported) << entry.path();
    EXPECT_NE(out.plan_message.find("supported are PDF"), std::string::npos);
    EXPECT_EQ(out.plan_message.find("binary data"), std::string::npos) << entry.path() << out.plan_message;
  }
  EXPECT_GT(refused, 10);
}

TEST_F(Documents, TextAndMarkdownBecomePages) {
  std::string text;
  for (int i = 0; i < 500; ++i)
    text += "## Part " + std::to_string(i) + "\n\nIt says something that matters here.\n\n";
  const Extracted out = run(text, "notes.md");
  ASSERT_EQ(out.plan_code, ErrorCode::kOk);
  EXPECT_GT(out.total_pages, 5U);
  expect_consistent(out, "notes.md");
  EXPECT_EQ(out.chunks.front().heading, "Part 0");
  EXPECT_EQ(run(" \n\n \n", "blank.txt").plan_code, ErrorCode::kEmptyFile);
  EXPECT_EQ(run("", "empty.txt").plan_code, ErrorCode::kEmptyFile);
}

TEST_F(Documents, BrokenPdfsAreNamed) {
  EXPECT_EQ(run("%PDF-1.7\nnothing follows", "a.pdf").plan_code, ErrorCode::kDamaged);
  EXPECT_EQ(run("\x89PNG\r\n\x1A\n....", "a.pdf").plan_code, ErrorCode::kUnsupported);
}

TEST_F(Documents, AGigabyteOfZerosIsRefusedAtOnce) {
  const fs::path file = folder_.path() / "zeros";
  std::ofstream(file, std::ios::binary).put('\0');
  fs::resize_file(file, 1ULL << 30U);  // sparse
  const std::string head = [&] {
    std::ifstream in(file, std::ios::binary);
    std::string bytes(65536, 'x');
    in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    return bytes;
  }();
  // The store holds it under a made-up hash, so that a gigabyte need not be hashed.
  const std::string hash = *blobs_.put(head);
  for (const auto& entry : fs::recursive_directory_iterator(folder_.path())) {
    if (entry.is_regular_file() && entry.file_size() == head.size()) {
      fs::permissions(entry.path(), fs::perms::owner_all);
      fs::resize_file(entry.path(), 1ULL << 30U);
    }
  }
  messages::ExtractPlan plan;
  plan.document.blob = hash;
  plan.document.name = "big.txt";
  messages::JobSpec spec;
  spec.op = "plan";
  spec.payload = messages::encode(plan);
  RememberingHandle handle;
  const auto before = std::chrono::steady_clock::now();
  const auto outcome = extractor_.handle(job_of(std::move(spec)), handle);
  EXPECT_EQ(outcome.code, ErrorCode::kUnsupported);
  EXPECT_FALSE(outcome.retryable);
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(1));
}

}  // namespace
}  // namespace answermill::extract
