#include "frontend/command/client/options.h"

#include <fmt/format.h>

#include <fstream>
#include <iterator>

#include "shared/config/settings_file.h"

namespace answermill::command {

void bind_client_options(config::Table& table, ClientOptions& options) {
  table.text("server", &options.server, {"ANSWERMILL_SERVER"}, "URL", "where Answermill listens")
      .secret("token", &options.token, {"ANSWERMILL_TOKEN"}, "access token, where the server wants one")
      .text("token-file", &options.token_file, {"ANSWERMILL_TOKEN_FILE"}, "FILE",
            "file that holds the access token")
      .text("ca-file", &options.ca_file, {"ANSWERMILL_CA_FILE"}, "FILE",
            "certificate of the server or of its authority, when the system does not know it")
      .flag("json", &options.json, {}, "print JSON, one object per line");
}

Result<std::string> normal_server(std::string_view given) {
  std::string server(config::trimmed(given));
  if (server.find("token=") != std::string::npos) {
    return Error{
        ErrorCode::kInvalidArgument,
        "--server: leave the token out of the address; put it into ANSWERMILL_TOKEN or a --token-file"};
  }
  if (server.find("://") == std::string::npos) server = "http://" + server;
  while (server.back() == '/') server.pop_back();
  const bool known = server.rfind("http://", 0) == 0 || server.rfind("https://", 0) == 0;
  const std::size_t host = server.find("://") == std::string::npos ? server.size() : server.find("://") + 3;
  if (!known || host >= server.size() || server.find_first_of(" \t?#", host) != std::string::npos) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("--server: '{}' is no address like http://HOST:PORT", given)};
  }
  return server;
}

Status complete_client_options(ClientOptions& options) {
  Result<std::string> server = normal_server(options.server);
  if (!server) return server.error();
  options.server = std::move(*server);
  if (options.token.empty() && !options.token_file.empty()) {
    std::ifstream file(options.token_file);
    const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    options.token = config::trimmed(text);
    if (!file.good() && options.token.empty()) {
      return Error{ErrorCode::kInvalidArgument,
                   fmt::format("--token-file: {} holds no token", options.token_file)};
    }
  }
  return {};
}

}  // namespace answermill::command
