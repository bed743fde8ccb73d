// answermill-index: owns collections and searches them.
#include <cstdint>
#include <filesystem>
#include <iostream>
#include <string>

#include "shared/config/config.h"
#include "shared/log/log.h"
#include "workers/index/index_stage.h"
#include "workers/runtime/worker.h"

int main(int argc, char** argv) {
  using namespace answermill;
  runtime::WorkerOptions options;
  std::string data = "data";
  std::int64_t slots = 32;
  config::Table table("answermill-index",
                      "Keeps the chunks of documents and finds those that answer a question.");
  runtime::describe_bus(table, options);
  table.text("data", &data, {"ANSWERMILL_DATA_DIR"}, "DIR", "the data folder; collections live in DIR/index")
      .integer("slots", &slots, 1, 1024, {"ANSWERMILL_INDEX_SLOTS"}, "JOBS", "jobs held at once, 1…1024");
  auto loaded = table.load(argc, argv);
  if (!loaded) {
    std::cerr << loaded.error().message << "\n";
    return 2;
  }
  if (loaded->exit_now) return 0;
  log::init("index");
  index::IndexConfig config;
  config.root = std::filesystem::path(data) / "index";
  config.slots = static_cast<std::uint32_t>(slots);
  index::IndexStage stage(config);
  return runtime::run_worker(options, stage);
}
