// Everything that can be set on answermill-frontend.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "frontend/server/api/access_config.h"
#include "frontend/server/bus/frontend_bus.h"
#include "frontend/server/dialects/ws_stream.h"
#include "frontend/server/edge/server.h"
#include "shared/config/config.h"

namespace answermill::frontend {

struct ServerConfig {
  std::vector<std::string> listen;
  std::vector<std::string> listen_fds;
  std::vector<std::string> tls_listen_fds;
  std::string tls_cert;
  std::string tls_key;
  bool reuse_port = false;
  bool websocket_compression = false;
  double drain_seconds = 2;
  std::string data = "./answermill-data";
  BusEndpoints endpoints;
  std::string web_root;
  std::int64_t upload_limit = 2LL * 1024 * 1024 * 1024;
  std::int64_t stream_memory = 256LL * 1024 * 1024;
  AccessConfig access;
  std::string access_token;
  std::string access_token_file;
  std::vector<std::string> allowed_hosts;
  std::vector<std::string> allowed_origins;
  std::vector<std::string> cors_origins;
  std::string log_level;
  std::int64_t top_k = 8;
  ws_stream::Settings settings;
  std::int64_t max_tokens = 1000;
};

// Binds every field to `config`, which must outlive the table's load().
config::Table server_table(ServerConfig& config);

// Checks what one field alone cannot, reads the token's file and takes over systemd's sockets.
// Errors: kInvalidArgument.
Result<EdgeConfig> edge_config(ServerConfig& config);

// Variables of the environment that other servers of this kind read and this one does not: names only.
std::vector<std::string> unused_environment();

}  // namespace answermill::frontend
