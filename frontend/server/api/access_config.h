// Settings of who may come in and how much he may use.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "frontend/server/edge/server.h"
#include "shared/config/config.h"

namespace answermill::frontend {

// Seconds and bytes as they are configured; the defaults are those of the edge.
struct AccessConfig {
  std::string tokens_file;  // empty: DATA/tokens
  bool open_loopback = false;
  bool limit_loopback = false;
  std::vector<std::string> trusted_proxies;
  std::int64_t max_connections = 10'000;
  std::int64_t connections_per_address = UsageLimits{}.connections_per_address;
  std::int64_t connections_per_token = UsageLimits{}.connections_per_token;
  std::int64_t requests_per_minute = UsageLimits{}.requests_per_minute;
  std::int64_t questions_per_minute = UsageLimits{}.questions_per_minute;
  std::int64_t open_answers = UsageLimits{}.open_answers;
  std::int64_t upload_min_rate = 1024;
  std::int64_t header_timeout = 10;
  std::int64_t body_timeout = 30;
  std::int64_t keep_alive_timeout = 75;
  std::int64_t websocket_idle_timeout = 0;
  std::int64_t websocket_message_limit = 1024 * 1024;
};

// Binds every field to `config`, which must outlive the table's load().
void add_access_fields(config::Table& table, AccessConfig& config);

// Errors: kInvalidArgument (a proxy that is no address).
Status apply_access(const AccessConfig& config, EdgeConfig& edge);

}  // namespace answermill::frontend
