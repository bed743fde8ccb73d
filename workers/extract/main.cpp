// answermill-extract: turns documents into pages and chunks.
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <string>

#include "shared/config/config.h"
#include "shared/log/log.h"
#include "workers/extract/extractor.h"
#include "workers/extract/pdf_parser.h"
#include "workers/extract/zygote.h"
#include "workers/runtime/blob_source.h"
#include "workers/runtime/worker.h"

namespace {

struct Settings {
  answermill::runtime::WorkerOptions worker;
  std::string data;
  std::string blobs_endpoint;
  std::string blob_cache;
  std::int64_t blob_cache_bytes = std::int64_t{4} << 30;
  std::int64_t blob_cache_seconds = 900;
  std::int64_t slots = 1;
  std::int64_t page_seconds = 30;
  std::int64_t parser_megabytes = 1536;
};

void describe(answermill::config::Table& table, Settings& settings) {
  answermill::runtime::describe_bus(table, settings.worker);
  table.text("data", &settings.data, {"ANSWERMILL_DATA_DIR"}, "DIR",
             "data folder of this host, where documents are read directly");
  table.text("blobs-endpoint", &settings.blobs_endpoint, {"ANSWERMILL_BLOBS_ENDPOINT"}, "ENDPOINT",
             "where the broker sends documents that no folder of this host has");
  table.text("blob-cache", &settings.blob_cache, {"ANSWERMILL_BLOB_CACHE"}, "DIR",
             "folder for documents that were fetched, for all workers of this host");
  table.integer("blob-cache-size", &settings.blob_cache_bytes, 1 << 20, std::int64_t{1} << 44,
                {"ANSWERMILL_BLOB_CACHE_SIZE"}, "BYTES", "most that folder may hold");
  table.integer("blob-cache-keep", &settings.blob_cache_seconds, 0, 31'536'000,
                {"ANSWERMILL_BLOB_CACHE_KEEP"}, "SECONDS",
                "how long a document stays there after its last use");
  table.integer("slots", &settings.slots, 1, 64, {"ANSWERMILL_EXTRACT_SLOTS"}, "JOBS",
                "jobs at once, one thread and one parser process each (1-64)");
  table.integer(
      "page-timeout", &settings.page_seconds, 1, 3600, {"ANSWERMILL_EXTRACT_PAGE_TIMEOUT"}, "SECONDS",
      "processor time one page may take (1-3600); on a busy machine up to four times that on the clock");
  table.integer("parser-memory", &settings.parser_megabytes, 64, 65536, {"ANSWERMILL_EXTRACT_PARSER_MEMORY"},
                "MB", "address space of one parser beyond the document itself (64-65536)");
}

}  // namespace

int main(int argc, char** argv) {
  namespace extract = answermill::extract;
  Settings settings;
  settings.blob_cache = answermill::runtime::default_blob_cache();
  answermill::config::Table table("answermill-extract", "turns documents into pages and chunks");
  describe(table, settings);
  const auto loaded = table.load(argc, argv);
  if (!loaded) {
    fmt::print(stderr, "answermill-extract: {}\n", loaded.error().message);
    return 2;
  }
  if (loaded->exit_now) return 0;
  answermill::log::init("extract");

  // Before any thread or ZeroMQ context: the process that parsers are forked from.
  extract::ParserLimits limits;
  limits.memory_bytes = static_cast<std::uint64_t>(settings.parser_megabytes) << 20U;
  auto zygote = extract::Zygote::start(limits, extract::kPdfParser);
  if (!zygote) {
    answermill::log::error("{}", zygote.error().message);
    return 1;
  }

  answermill::runtime::BlobSourceOptions source;
  source.data = settings.data;
  source.endpoint = settings.blobs_endpoint;
  source.bus = settings.worker.bus;
  source.bus_key = settings.worker.bus_key;
  source.cache.folder = settings.blob_cache;
  source.cache.most_bytes = static_cast<std::uint64_t>(settings.blob_cache_bytes);
  source.cache.keep = std::chrono::seconds(settings.blob_cache_seconds);
  const auto blobs = answermill::runtime::make_blob_source(source);
  if (!blobs) {
    answermill::log::error("{}", blobs.error().message);
    return 1;
  }
  extract::ExtractorOptions options;
  options.session.page = std::chrono::seconds(settings.page_seconds);
  options.session.wait = 4 * options.session.page;
  options.idle_parsers = static_cast<std::size_t>(settings.slots);
  extract::Extractor extractor(*zygote, **blobs, options);
  const auto stage = answermill::runtime::make_sync_stage(
      "extract", static_cast<std::uint32_t>(settings.slots), "pdf, text, markdown",
      [&](const answermill::runtime::Job& job, answermill::runtime::JobHandle& handle) {
        auto outcome = extractor.handle(job, handle);
        // The loop gives its jobs back and leaves; whoever supervises us starts a worker with a fresh zygote.
        if (!zygote->alive()) kill(getpid(), SIGTERM);
        return outcome;
      });
  return answermill::runtime::run_worker(settings.worker, *stage);
}
