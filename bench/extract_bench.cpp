// Pages per second of the whole extract stage (sandboxed parser, normalised text, chunks, embed jobs) beside
// its peer, `pdftotext -layout`, on the same files and cores.
//
// Usage: extract_bench [FILE.pdf…]; without files the filings of the test data.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "shared/base/ids.h"
#include "shared/messages/codec.h"
#include "workers/extract/extractor.h"
#include "workers/extract/pdf_parser.h"

namespace {

namespace fs = std::filesystem;
using namespace answermill;
using Clock = std::chrono::steady_clock;

class SilentHandle : public runtime::JobHandle {
 public:
  void emit_token(std::string_view) override {}
  void emit(messages::StreamEventKind, std::string) override {}
  void rewind(std::uint64_t) override {}
  std::uint64_t text_length() const override { return 0; }
  void progress(std::uint32_t) override {}
  bool cancelled() const override { return false; }
  void finish(messages::Outcome) override {}
};

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

messages::Outcome run(extract::Extractor& extractor, messages::JobSpec spec) {
  SilentHandle handle;
  runtime::Job job;
  job.spec = std::move(spec);
  return extractor.handle(job, handle);
}

struct Figure {
  std::uint64_t pages = 0;
  double plan = 0;
  double first_pages = 0;  // until the first range is done
  double all = 0;
};

Figure extract_file(extract::Extractor& extractor, store::BlobStore& blobs, const fs::path& file,
                    unsigned threads) {
  std::ifstream in(file, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  messages::ExtractPlan plan;
  plan.document.id = "bench";
  plan.document.name = file.filename().string();
  plan.document.blob = *blobs.put(bytes);
  messages::JobSpec first;
  first.op = "plan";
  first.payload = messages::encode(plan);
  Figure figure;
  const auto begin = Clock::now();
  const auto planned = run(extractor, std::move(first));
  figure.plan = seconds_since(begin);
  if (planned.totals.empty()) return figure;
  figure.pages = planned.totals.front().total;
  std::atomic<std::size_t> next{0};
  std::vector<std::thread> workers;
  for (unsigned i = 0; i < threads; ++i) {
    workers.emplace_back([&] {
      for (std::size_t at = next++; at < planned.followups.size(); at = next++) {
        run(extractor, planned.followups[at]);
        if (at == 0) figure.first_pages = seconds_since(begin);
      }
    });
  }
  for (auto& worker : workers) worker.join();
  figure.all = seconds_since(begin);
  return figure;
}

double peer_seconds(const fs::path& file) {
  const std::string command = fmt::format("pdftotext -layout '{}' /dev/null 2>/dev/null", file.string());
  const auto begin = Clock::now();
  if (std::system(command.c_str()) != 0) return 0;  // NOLINT(concurrency-mt-unsafe): before any thread
  return seconds_since(begin);
}

std::vector<fs::path> files_of(int argc, char** argv) {
  if (argc > 1) return {argv + 1, argv + argc};
  const char* set = std::getenv("ANSWERMILL_DATA");
  const fs::path folder = (set != nullptr ? fs::path(set) : fs::path("../shared/data")) / "filings";
  std::vector<fs::path> files;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (entry.path().extension() == ".pdf") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

int main(int argc, char** argv) {
  auto zygote = extract::Zygote::start({}, extract::kPdfParser);
  if (!zygote) return 1;
  const auto files = files_of(argc, argv);
  if (files.empty()) {
    fmt::print("extract_bench: no files; set ANSWERMILL_DATA to the folder that holds filings\n");
    return 77;
  }
  const fs::path folder = fs::temp_directory_path() / ("extract-bench-" + random_id());
  store::BlobStore blobs(folder);
  runtime::StoredBlobs source(blobs);
  const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
  fmt::print("{:<32} {:>6} {:>8} {:>9} {:>10} {:>9} {:>6} {:>12} {:>6}\n", "file", "pages", "plan ms",
             "first ms", "pages/s", "pdftotext", "ratio", fmt::format("pages/s x{}", cores), "ratio");
  for (const auto& file : files) {
    double peer = 1e9;
    Figure one;
    Figure many;
    for (int round = 0; round < 3; ++round) {  // interleaved, the best of each: the machine is shared
      peer = std::min(peer, peer_seconds(file));
      extract::ExtractorOptions options;
      options.idle_parsers = cores;
      extract::Extractor single(*zygote, source, options);
      const Figure a = extract_file(single, blobs, file, 1);
      if (round == 0 || a.all < one.all) one = a;
      extract::Extractor parallel(*zygote, source, options);
      const Figure b = extract_file(parallel, blobs, file, cores);
      if (round == 0 || b.all < many.all) many = b;
    }
    const auto pages = static_cast<double>(one.pages);
    fmt::print("{:<32} {:>6} {:>8.1f} {:>9.1f} {:>10.0f} {:>9.0f} {:>6.2f} {:>12.0f} {:>6.2f}\n",
               file.filename().string(), one.pages, one.plan * 1e3, one.first_pages * 1e3, pages / one.all,
               pages / peer, peer / one.all, pages / many.all, peer / many.all);
  }
  std::error_code ignored;
  fs::remove_all(folder, ignored);
  return 0;
}
