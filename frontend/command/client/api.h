// The server's HTTP API as the command line sees it (docs/protocol.md).
//
// Thread: any. Errors: the server's own code and message, kUnavailable when it cannot be reached, kMalformed
// when what answers is no Answermill.
#pragma once

#include <string>
#include <string_view>

#include "frontend/command/client/json.h"
#include "frontend/command/client/options.h"
#include "shared/base/result.h"
#include "shared/http/client.h"

namespace answermill::command {

class Api {
 public:
  explicit Api(ClientOptions options) : options_(std::move(options)) {}

  // Blocks until the answer is there. A null body is none.
  Result<Json> call(std::string_view method, const std::string& path, const Json& body = nullptr);

  // A request to start on client(): address and token are filled in.
  http::Request request(std::string_view method, const std::string& path) const;
  http::Client& client() { return client_; }
  const ClientOptions& options() const { return options_; }

  // What an answer with an error status says.
  Error error_from(int status, const std::string& body) const;
  // Why there was no answer at all.
  Error error_from(const Error& transport) const;

  // "There is no collection 'x'. Known: a, b." when that is why; otherwise the error as it is.
  Error explain_collection(const Error& error, const std::string& collection);

 private:
  ClientOptions options_;
  http::Client client_;
};

// "&collection=x" or nothing; `lead` is '?' or '&'.
std::string collection_query(char lead, const std::string& collection);

}  // namespace answermill::command
