// What the parser tests share: a blob store in a temporary folder, a job handle that only remembers, and a
// run of all extract jobs of one document.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "shared/base/ids.h"
#include "shared/messages/codec.h"
#include "workers/extract/extractor.h"

namespace answermill::extract {

class TemporaryFolder {
 public:
  TemporaryFolder() : path_(std::filesystem::temp_directory_path() / ("extract-test-" + random_id())) {
    std::filesystem::create_directories(path_);
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

class RememberingHandle : public runtime::JobHandle {
 public:
  void emit_token(std::string_view) override {}
  void emit(messages::StreamEventKind, std::string) override {}
  void rewind(std::uint64_t) override {}
  std::uint64_t text_length() const override { return 0; }
  void progress(std::uint32_t units_done) override { units = units_done; }
  bool cancelled() const override { return cancel; }
  void finish(messages::Outcome) override {}

  std::uint32_t units = 0;
  bool cancel = false;
};

struct Extracted {
  ErrorCode plan_code = ErrorCode::kOk;
  std::string plan_message;
  std::uint64_t total_pages = 0;
  std::vector<messages::Page> pages;
  std::vector<messages::Chunk> chunks;
  std::vector<messages::Outcome> failures;  // of one-page jobs
  std::int64_t characters = 0;
  std::int64_t without_text = 0;
  std::uint32_t embed_units = 0;
  std::size_t jobs = 0;
};

inline runtime::Job job_of(messages::JobSpec spec) {
  runtime::Job job;
  job.spec = std::move(spec);
  job.spec.stage = "extract";
  job.deadline = std::chrono::steady_clock::time_point::max();
  return job;
}

inline void take_embed(const messages::JobSpec& job, Extracted& out) {
  auto payload = messages::decode<messages::EmbedChunks>(job.payload);
  if (!payload) return;
  out.embed_units += job.units;
  std::move(payload->pages.begin(), payload->pages.end(), std::back_inserter(out.pages));
  std::move(payload->chunks.begin(), payload->chunks.end(), std::back_inserter(out.chunks));
}

// Plans and runs everything the plan asks for, as the fleet would, on one thread.
inline Extracted extract_all(Extractor& extractor, store::BlobStore& blobs, const std::string& bytes,
                             const std::string& name) {
  Extracted out;
  messages::ExtractPlan plan;
  plan.document.id = "doc";
  plan.document.name = name;
  plan.document.size = bytes.size();
  plan.document.blob = *blobs.put(bytes);
  messages::JobSpec first;
  first.op = "plan";
  first.payload = messages::encode(plan);
  RememberingHandle handle;
  const auto planned = extractor.handle(job_of(std::move(first)), handle);
  out.plan_code = planned.code;
  out.plan_message = planned.message;
  if (!planned.totals.empty()) out.total_pages = planned.totals.front().total;
  std::deque<messages::JobSpec> jobs(planned.followups.begin(), planned.followups.end());
  while (!jobs.empty()) {
    messages::JobSpec spec = std::move(jobs.front());
    jobs.pop_front();
    if (spec.stage == "embed") {
      take_embed(spec, out);
      continue;
    }
    ++out.jobs;
    auto outcome = extractor.handle(job_of(std::move(spec)), handle);
    if (outcome.status == messages::OutcomeStatus::kFailed) out.failures.push_back(outcome);
    for (const auto& counter : outcome.counters) {
      if (counter.name == messages::kCounterCharacters) out.characters += counter.value;
      if (counter.name == messages::kCounterPagesWithoutText) out.without_text += counter.value;
    }
    jobs.insert(jobs.end(), outcome.followups.begin(), outcome.followups.end());
  }
  return out;
}

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// The folder of real documents; empty when it is not at hand.
inline std::filesystem::path real_data(const std::string& folder) {
  const char* set = std::getenv("ANSWERMILL_DATA");
  std::filesystem::path root = set != nullptr ? set : "";
  if (root.empty()) root = std::filesystem::path(ANSWERMILL_SOURCE_DIR).parent_path() / "shared" / "data";
  std::error_code ignored;
  return std::filesystem::is_directory(root / folder, ignored) ? root / folder : std::filesystem::path();
}

}  // namespace answermill::extract
