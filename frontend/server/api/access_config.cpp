#include "frontend/server/api/access_config.h"

#include <chrono>

#include "frontend/server/edge/access_policy.h"

namespace answermill::frontend {
namespace {

constexpr std::int64_t kMany = 1'000'000'000;
constexpr std::int64_t kWeek = 7 * 86'400;

std::uint32_t count(std::int64_t value) { return static_cast<std::uint32_t>(value); }

}  // namespace

void add_access_fields(config::Table& table, AccessConfig& config) {
  table
      .text("tokens-file", &config.tokens_file, {"ANSWERMILL_TOKENS_FILE"}, "FILE",
            "access tokens, see answermill tokens (default DATA/tokens)")
      .flag("open-loopback", &config.open_loopback, {"ANSWERMILL_OPEN_LOOPBACK"},
            "ask this machine's programs for no token, even when there are tokens")
      .flag("limit-loopback", &config.limit_loopback, {"ANSWERMILL_LIMIT_LOOPBACK"},
            "bind this machine's programs without a token by the limits of an address, too")
      .list("trusted-proxies", &config.trusted_proxies, {"ANSWERMILL_TRUSTED_PROXIES"}, "ADDRESS",
            "proxies whose X-Forwarded-For names the client")
      .integer("max-connections", &config.max_connections, 1, 1'000'000, {"ANSWERMILL_MAX_CONNECTIONS"}, "N",
               "connections in all")
      .integer("connections-per-address", &config.connections_per_address, 0, kMany,
               {"ANSWERMILL_CONNECTIONS_PER_ADDRESS"}, "N", "connections of one address; 0: no limit")
      .integer("connections-per-token", &config.connections_per_token, 0, kMany,
               {"ANSWERMILL_CONNECTIONS_PER_TOKEN"}, "N", "connections of one access token; 0: no limit")
      .integer("requests-per-minute", &config.requests_per_minute, 0, kMany,
               {"ANSWERMILL_REQUESTS_PER_MINUTE"}, "N", "of one token, or address without one; 0: no limit")
      .integer("questions-per-minute", &config.questions_per_minute, 0, kMany,
               {"ANSWERMILL_QUESTIONS_PER_MINUTE"}, "N", "of one token, or address without one; 0: no limit")
      .integer("open-answers", &config.open_answers, 0, kMany, {"ANSWERMILL_OPEN_ANSWERS"}, "N",
               "answers that one token, or address without one, follows at once; 0: no limit")
      .integer("upload-min-rate", &config.upload_min_rate, 0, kMany, {"ANSWERMILL_UPLOAD_MIN_RATE"}, "BYTES",
               "a second, over half a minute: a slower upload is ended; 0: never")
      .integer("header-timeout", &config.header_timeout, 1, kWeek, {"ANSWERMILL_HEADER_TIMEOUT"}, "SECONDS",
               "for the whole header of a request")
      .integer("body-timeout", &config.body_timeout, 1, kWeek, {"ANSWERMILL_BODY_TIMEOUT"}, "SECONDS",
               "for the whole body of a request, or for the next byte of an upload")
      .integer("keep-alive-timeout", &config.keep_alive_timeout, 1, kWeek, {"ANSWERMILL_KEEP_ALIVE_TIMEOUT"},
               "SECONDS", "between two requests of a connection")
      .integer("websocket-idle-timeout", &config.websocket_idle_timeout, 0, kWeek,
               {"ANSWERMILL_WEBSOCKET_IDLE_TIMEOUT"}, "SECONDS",
               "a WebSocket without a message either way for so long is closed; 0: never")
      .integer("websocket-message-limit", &config.websocket_message_limit, 1024, 1LL << 30,
               {"ANSWERMILL_WEBSOCKET_MESSAGE_LIMIT"}, "BYTES", "largest message a client may send");
}

Status apply_access(const AccessConfig& config, EdgeConfig& edge) {
  using std::chrono::seconds;
  for (const auto& proxy : config.trusted_proxies) {
    if (!is_ip_literal(proxy))
      return Error{ErrorCode::kInvalidArgument, "--trusted-proxies: \"" + proxy + "\" is no address."};
  }
  edge.trusted_proxies = config.trusted_proxies;
  edge.open_loopback = config.open_loopback;
  edge.limit_loopback = config.limit_loopback;
  edge.usage.connections_per_address = count(config.connections_per_address);
  edge.usage.connections_per_token = count(config.connections_per_token);
  edge.usage.requests_per_minute = count(config.requests_per_minute);
  edge.usage.questions_per_minute = count(config.questions_per_minute);
  edge.usage.open_answers = count(config.open_answers);
  edge.limits.connections = static_cast<std::size_t>(config.max_connections);
  edge.limits.upload_bytes_per_second = static_cast<std::size_t>(config.upload_min_rate);
  edge.limits.header_timeout = seconds(config.header_timeout);
  edge.limits.body_timeout = seconds(config.body_timeout);
  edge.limits.keep_alive_timeout = seconds(config.keep_alive_timeout);
  edge.limits.websocket_idle_timeout = seconds(config.websocket_idle_timeout);
  edge.limits.websocket_message_bytes = static_cast<std::size_t>(config.websocket_message_limit);
  return {};
}

}  // namespace answermill::frontend
