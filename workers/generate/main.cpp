// answermill-generate: writes the answers, by a model server or by quoting the documents.
#include <cstdio>

#include "shared/config/config.h"
#include "shared/log/log.h"
#include "workers/generate/generate_stage.h"
#include "workers/runtime/worker.h"

using namespace answermill;

namespace {

struct GenerateConfig {
  runtime::WorkerOptions worker;
  std::string data_folder;
  std::string log_level;
  std::int64_t slots = 256;
  std::string base_url;
  std::string key;
  std::string deepseek_key;
  std::string model;
  double temperature = 0.7;
  std::int64_t max_tokens = 1000;
  double input_cost = 0;
  double output_cost = 0;
  std::int64_t connect_timeout = 10;
  std::int64_t first_token_timeout = 120;
  std::int64_t gap_timeout = 60;
  std::int64_t total_timeout = 600;
};

config::Table table_of(GenerateConfig& values) {
  config::Table table("answermill-generate",
                      "Writes the answers, by a model server or by quoting the documents.");
  runtime::describe_bus(table, values.worker);
  table
      .text("data", &values.data_folder, {"ANSWERMILL_DATA_DIR"}, "DIR",
            "data folder of the fleet (not used by this stage)")
      .text("log-level", &values.log_level, {"LOG_LEVEL"}, "LEVEL", "DEBUG, INFO, WARN or ERROR")
      .integer("slots", &values.slots, 1, 4096, {"ANSWERMILL_GENERATE_SLOTS"}, "N", "answers written at once")
      .text("base-url", &values.base_url, {"OPENAI_BASE_URL"}, "URL",
            "of a server with OpenAI's API, e.g. http://localhost:11434/v1; without it and a key documents "
            "are quoted")
      .secret("api-key", &values.key, {"OPENAI_API_KEY"}, "key of the model server")
      .secret("deepseek-api-key", &values.deepseek_key, {"DEEPSEEK_API_KEY"},
              "key of DeepSeek, used when no other is set")
      .text("model", &values.model, {"OPENAI_MODEL_COMPREHENSIVE", "OPENAI_MODEL"}, "NAME",
            "the model that answers")
      .number("temperature", &values.temperature, 0, 2, {"OPENAI_TEMPERATURE"}, "T", "of the model, 0…2")
      .integer("max-tokens", &values.max_tokens, 1, 1'000'000, {"OPENAI_MAX_TOKENS"}, "N",
               "longest answer in tokens")
      .number("input-cost", &values.input_cost, 0, 1000, {"OPENAI_INPUT_COST_PER_1K"}, "USD",
              "price of 1,000 input tokens")
      .number("output-cost", &values.output_cost, 0, 1000, {"OPENAI_OUTPUT_COST_PER_1K"}, "USD",
              "price of 1,000 output tokens")
      .integer("connect-timeout", &values.connect_timeout, 1, 300, {}, "SECONDS", "to reach the model server")
      .integer("first-token-timeout", &values.first_token_timeout, 1, 3600, {}, "SECONDS",
               "until the answer begins")
      .integer("gap-timeout", &values.gap_timeout, 1, 3600, {}, "SECONDS", "between two tokens")
      .integer("total-timeout", &values.total_timeout, 1, 86'400, {}, "SECONDS", "for a whole answer");
  return table;
}

generate::ModelConfig model_of(const GenerateConfig& values) {
  generate::ModelConfig model;
  // A key is shown to its own service only: another server's address keeps DeepSeek's key at home.
  const bool elsewhere = !values.base_url.empty() && values.base_url.find("deepseek") == std::string::npos;
  const bool deepseek = !values.deepseek_key.empty() && values.key.empty() && !elsewhere;
  model.key = deepseek ? values.deepseek_key : values.key;
  model.base_url = values.base_url;
  model.model = values.model;
  if (model.base_url.empty() && !model.key.empty()) {
    model.base_url = deepseek ? "https://api.deepseek.com/v1" : "https://api.openai.com/v1";
  }
  if (model.model.empty()) {
    const bool openai = model.base_url.find("api.openai.com") != std::string::npos;
    model.model = deepseek ? "deepseek-chat" : (openai ? "gpt-4o-mini" : "default");
  }
  model.temperature = values.temperature;
  model.max_tokens = static_cast<std::uint32_t>(values.max_tokens);
  model.input_cost_per_1k = values.input_cost;
  model.output_cost_per_1k = values.output_cost;
  model.connect_timeout = std::chrono::seconds(values.connect_timeout);
  model.first_token_timeout = std::chrono::seconds(values.first_token_timeout);
  model.gap_timeout = std::chrono::seconds(values.gap_timeout);
  model.total_timeout = std::chrono::seconds(values.total_timeout);
  return model;
}

}  // namespace

int main(int argc, char** argv) {
  GenerateConfig values;
  config::Table table = table_of(values);
  const auto loaded = table.load(argc, argv);
  if (!loaded) {
    std::fprintf(stderr, "%s\n", loaded.error().message.c_str());
    return 2;
  }
  if (loaded->exit_now) return 0;
  log::init("generate", values.log_level);
  const auto stage =
      generate::make_generate_stage(model_of(values), static_cast<std::uint32_t>(values.slots));
  log::info("answers by {}", stage->detail());
  return runtime::run_worker(values.worker, *stage);
}
