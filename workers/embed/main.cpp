// answermill-embed: turns chunks and questions into vectors.
#include <cstdio>

#include "shared/config/config.h"
#include "shared/http/client.h"
#include "shared/log/log.h"
#include "workers/embed/embed_stage.h"
#include "workers/runtime/worker.h"

using namespace answermill;

namespace {

struct EmbedConfig {
  runtime::WorkerOptions worker;
  std::string data_folder;
  std::string log_level;
  std::string backend = "builtin";
  std::int64_t slots = 0;
  std::int64_t threads = 1;
  std::string base_url;
  std::string key;
  std::string model;
  std::int64_t dimension = 0;
  std::int64_t batch = 64;
};

config::Table table_of(EmbedConfig& values) {
  config::Table table("answermill-embed", "Turns chunks and questions into vectors.");
  runtime::describe_bus(table, values.worker);
  table
      .text("data", &values.data_folder, {"ANSWERMILL_DATA_DIR"}, "DIR",
            "data folder of the fleet (not used by this stage)")
      .text("log-level", &values.log_level, {"LOG_LEVEL"}, "LEVEL", "DEBUG, INFO, WARN or ERROR")
      .text("backend", &values.backend, {"ANSWERMILL_EMBED_BACKEND"}, "NAME",
            "builtin, or openai for a server with its API; a base URL chooses openai")
      .integer("slots", &values.slots, 0, 256, {"ANSWERMILL_EMBED_SLOTS"}, "N",
               "jobs held at once; 0 chooses")
      .integer("threads", &values.threads, 1, 64, {"ANSWERMILL_EMBED_THREADS"}, "N",
               "threads of the built-in model")
      .text("base-url", &values.base_url, {"EMBED_BASE_URL"}, "URL",
            "of the embedding server, up to and with /v1")
      .secret("api-key", &values.key, {"EMBED_API_KEY", "OPENAI_API_KEY"}, "key of the embedding server")
      .text("model", &values.model, {"EMBED_MODEL"}, "NAME", "embedding model of the server")
      .integer("vector-dimension", &values.dimension, 0, 8192, {"VECTOR_DIMENSION"}, "N",
               "numbers in a vector of the server's model; 0 takes what it gives")
      .integer("batch", &values.batch, 1, 2048, {"EMBED_BATCH"}, "N", "texts in one request to the server");
  return table;
}

bool uses_server(const EmbedConfig& values) { return values.backend == "openai" || !values.base_url.empty(); }

std::unique_ptr<embed::Embedder> make_embedder(const EmbedConfig& values, http::Client& client) {
  if (!uses_server(values)) return embed::make_builtin_embedder(static_cast<std::uint32_t>(values.threads));
  embed::RemoteConfig remote;
  if (!values.base_url.empty()) remote.base_url = values.base_url;
  if (!values.model.empty()) remote.model = values.model;
  remote.key = values.key;
  remote.dimension = static_cast<std::uint32_t>(values.dimension);
  remote.batch_texts = static_cast<std::uint32_t>(values.batch);
  constexpr std::size_t kQuestions = 512;  // some megabytes at most
  return embed::make_remembering_embedder(embed::make_remote_embedder(client, std::move(remote)), kQuestions);
}

}  // namespace

int main(int argc, char** argv) {
  EmbedConfig values;
  config::Table table = table_of(values);
  const auto loaded = table.load(argc, argv);
  if (!loaded) {
    std::fprintf(stderr, "%s\n", loaded.error().message.c_str());
    return 2;
  }
  if (loaded->exit_now) return 0;
  if (values.backend != "builtin" && values.backend != "openai") {
    std::fprintf(stderr, "answermill-embed: --backend must be builtin or openai, not %s\n",
                 values.backend.c_str());
    return 2;
  }
  log::init("embed", values.log_level);
  http::Client client;
  const auto embedder = make_embedder(values, client);
  // A server is waited for, the built-in model is computed: more than a few jobs in hand would only queue
  // here.
  const auto slots = values.slots > 0 ? values.slots : (uses_server(values) ? 16 : 2 + 2 * values.threads);
  const auto stage = embed::make_embed_stage(*embedder, static_cast<std::uint32_t>(slots));
  return runtime::run_worker(values.worker, *stage);
}
