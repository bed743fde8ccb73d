#include "frontend/server/api/server_config.h"

#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iterator>

namespace answermill::frontend {
namespace {

constexpr char kDefaultListen[] = "localhost:8000";

Result<int> descriptor(const std::string& text) {
  int fd = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), fd);
  if (error != std::errc() || end != text.data() + text.size() || fd < 0) {
    return Error{ErrorCode::kInvalidArgument, "listen-fds: \"" + text + "\" is not a descriptor's number."};
  }
  return fd;
}

Result<std::string> read_token(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string token{std::istreambuf_iterator<char>(file), {}};
  while (!token.empty() && (token.back() == '\n' || token.back() == '\r' || token.back() == ' '))
    token.pop_back();
  if (!file || token.empty()) {
    return Error{ErrorCode::kInvalidArgument,
                 "--access-token-file: " + path + " cannot be read, or is empty."};
  }
  return token;
}

}  // namespace

config::Table server_table(ServerConfig& config) {
  config::Table table("answermill-frontend",
                      "Serves the page, the HTTP API and the WebSocket protocols on one port.");
  table
      .list("listen", &config.listen, {"ANSWERMILL_LISTEN"}, "[https://]HOST:PORT",
            "where to listen; port 0 picks one (default localhost:8000)")
      .list("listen-fds", &config.listen_fds, {}, "FD", "listening sockets handed over by a supervisor")
      .list("tls-listen-fds", &config.tls_listen_fds, {}, "FD", "those of them that speak TLS")
      .text("tls-cert", &config.tls_cert, {"ANSWERMILL_TLS_CERT"}, "FILE",
            "certificate for https, PEM with its chain; read again on SIGHUP")
      .text("tls-key", &config.tls_key, {"ANSWERMILL_TLS_KEY"}, "FILE", "its key, closed to other users")
      .flag("websocket-compression", &config.websocket_compression, {"ANSWERMILL_WEBSOCKET_COMPRESSION"},
            "compress WebSocket messages for clients that offer it (permessage-deflate)")
      .number("drain-seconds", &config.drain_seconds, 0, 600, {"ANSWERMILL_DRAIN_SECONDS"}, "S",
              "when it stops, WebSockets and streams are ended one by one within this time")
      .flag("reuse-port", &config.reuse_port, {"ANSWERMILL_REUSE_PORT"},
            "share the port with other frontends")
      .text("data", &config.data, {"ANSWERMILL_DATA_DIR"}, "DIR", "folder of the catalog and the blobs")
      .text("jobs-endpoint", &config.endpoints.jobs, {"ANSWERMILL_JOBS_ENDPOINT"}, "ENDPOINT",
            "the broker's job intake")
      .text("work-endpoint", &config.endpoints.work, {"ANSWERMILL_WORK_ENDPOINT"}, "ENDPOINT",
            "the broker's work socket")
      .text("events-endpoint", &config.endpoints.events, {"ANSWERMILL_EVENTS_ENDPOINT"}, "ENDPOINT",
            "where the broker publishes events")
      .text("worker-events-endpoint", &config.endpoints.worker_events, {"ANSWERMILL_WORKER_EVENTS_ENDPOINT"},
            "ENDPOINT", "where the broker takes events in")
      .text("query-endpoint", &config.endpoints.query, {"ANSWERMILL_QUERY_ENDPOINT"}, "ENDPOINT",
            "where the broker replays streams")
      .text("bus", &config.endpoints.bus, {"ANSWERMILL_BUS"}, "tcp://HOST:PORT",
            "instead of the endpoints: the broker of another host")
      .text("bus-key", &config.endpoints.bus_key, {"ANSWERMILL_BUS_KEY"}, "FILE",
            "key to come in with, see answermill keys")
      .text("web-root", &config.web_root, {"ANSWERMILL_WEB_ROOT"}, "DIR",
            "folder of the page; empty for none")
      .integer("upload-limit", &config.upload_limit, 1, 1LL << 50, {"ANSWERMILL_UPLOAD_LIMIT"}, "BYTES",
               "largest file that is taken")
      .integer("stream-memory", &config.stream_memory, 1 << 20, 1LL << 40, {"ANSWERMILL_STREAM_MEMORY"},
               "BYTES", "memory of answers beyond which those that nobody watches leave early")
      .secret(
          "access-token", &config.access_token, {"ANSWERMILL_ACCESS_TOKEN"},
          "may do everything; required of clients that come from beyond loopback when there are no others")
      .text("access-token-file", &config.access_token_file, {"ANSWERMILL_ACCESS_TOKEN_FILE"}, "FILE",
            "file that holds the access token")
      .list("allowed-hosts", &config.allowed_hosts, {"ANSWERMILL_ALLOWED_HOSTS"}, "NAME",
            "host name clients may use, beside loopback and the listening addresses")
      .list("allowed-origins", &config.allowed_origins, {"ANSWERMILL_ALLOWED_ORIGINS"}, "URL",
            "origin of other sites' pages that may call us")
      .list("cors-origins", &config.cors_origins, {"ANSWERMILL_CORS_ORIGINS"}, "URL",
            "origin of other sites' pages that may call us and read the answers; * for any")
      .integer("top-k", &config.top_k, 1, 100, {"RAG_TOP_K"}, "N", "passages an answer is made from")
      .number("distance-threshold", &config.settings.distance_threshold, 0, 1, {"RAG_DISTANCE_THRESHOLD"},
              "D", "passages farther away than this are left out, 0 to 1")
      .number("temperature", &config.settings.temperature, 0, 2, {"OPENAI_TEMPERATURE"}, "T",
              "what the generators use; told to clients of /ws/stream")
      .integer("max-tokens", &config.max_tokens, 1, 1'000'000, {"OPENAI_MAX_TOKENS"}, "N",
               "what the generators use; told to clients of /ws/stream")
      .text("log-level", &config.log_level, {"ANSWERMILL_LOG_LEVEL"}, "LEVEL",
            "debug, info, warn or error (default LOG_LEVEL, else info)");
  add_access_fields(table, config.access);
  return table;
}

Result<EdgeConfig> edge_config(ServerConfig& config) {
  EdgeConfig edge;
  std::string problems;
  const auto note = [&problems](const std::string& problem) { problems += problem + "\n"; };
  const auto take_descriptors = [&note](const std::vector<std::string>& given, std::vector<int>& fds) {
    for (const auto& text : given) {
      const auto fd = descriptor(text);
      if (fd) {
        fds.push_back(*fd);
      } else {
        note(fd.error().message);
      }
    }
  };
  take_descriptors(config.listen_fds, edge.listen_fds);
  take_descriptors(config.tls_listen_fds, edge.tls_listen_fds);
  if (const auto dialer = dialer_of(config.endpoints); !dialer) note(dialer.error().message);
  edge.access_token = config.access_token;
  if (!config.access_token_file.empty()) {
    auto token = read_token(config.access_token_file);
    if (token) {
      edge.access_token = std::move(*token);
    } else {
      note(token.error().message);
    }
  }
  if (const auto applied = apply_access(config.access, edge); !applied) note(applied.error().message);
  if (config.access.tokens_file.empty()) config.access.tokens_file = access::token_list_path(config.data);
  if (!problems.empty()) return Error{ErrorCode::kInvalidArgument, problems.substr(0, problems.size() - 1)};
  const SystemdSockets inherited = systemd_sockets();
  edge.listen_fds.insert(edge.listen_fds.end(), inherited.plain.begin(), inherited.plain.end());
  edge.tls_listen_fds.insert(edge.tls_listen_fds.end(), inherited.tls.begin(), inherited.tls.end());
  edge.tls = {config.tls_cert, config.tls_key};
  edge.listen = config.listen;
  if (edge.listen.empty() && edge.listen_fds.empty() && edge.tls_listen_fds.empty())
    edge.listen.emplace_back(kDefaultListen);
  edge.reuse_port = config.reuse_port;
  edge.websocket_compression = config.websocket_compression;
  edge.limits.drain_window = std::chrono::milliseconds(std::llround(config.drain_seconds * 1000));
  edge.allowed_hosts = config.allowed_hosts;
  edge.allowed_origins = config.allowed_origins;
  edge.cors_origins = config.cors_origins;
  edge.static_root = config.web_root;
  config.settings.top_k = static_cast<std::uint32_t>(config.top_k);
  config.settings.max_tokens = static_cast<std::uint64_t>(config.max_tokens);
  return edge;
}

std::vector<std::string> unused_environment() {
  std::vector<std::string> names;
  for (const char* name :
       {"REDIS_KNOWLEDGE_URL", "REDIS_CACHE_URL", "DATABASE_URL", "OPENAI_MODEL_PERSONALIZED"}) {
    if (std::getenv(name) != nullptr) names.emplace_back(name);
  }
  return names;
}

}  // namespace answermill::frontend
