// What every client sub-command takes: --server, --token-file, --json.
#pragma once

#include <string>
#include <string_view>

#include "shared/base/result.h"
#include "shared/config/config.h"

namespace answermill::command {

struct ClientOptions {
  std::string server = "http://localhost:8000";
  std::string token;
  std::string token_file;
  std::string ca_file;
  bool json = false;
};

void bind_client_options(config::Table& table, ClientOptions& options);

// Completes what was given: scheme added, trailing slash cut, the token read from its file.
// Errors: kInvalidArgument.
Status complete_client_options(ClientOptions& options);

// "http://host:port" of what people type: "host:port", "http://host:port/". Errors: kInvalidArgument.
Result<std::string> normal_server(std::string_view given);

}  // namespace answermill::command
