// The frontend's HTTP API as the gRPC calls need it: whole requests, and answers read line by line by a
// caller that may be slower than they come.
//
// Thread: any; the functions block. Errors: those of the frontend's answers, and kUnavailable.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "shared/base/result.h"
#include "shared/base/unix_fd.h"
#include "shared/http/client.h"

namespace answermill::grpc_bridge {

// Whose certificate an https:// frontend may show.
struct FrontendTrust {
  std::string ca_file;  // PEM, instead of the system's authorities; empty for those
  bool any = false;     // only for a process of the same fleet on this host
};

class FrontendClient {
 public:
  // `base_url` without a final slash.
  explicit FrontendClient(std::string base_url, FrontendTrust trust = {});

  // `authorization` is the header of the caller in whose name it is done; empty for none.
  Result<std::string> get(const std::string& authorization, const std::string& path);
  Result<std::string> post(const std::string& authorization, const std::string& path, std::string body,
                           const std::string& content_type);
  // The file's bytes as the body.
  Result<std::string> upload(const std::string& authorization, const std::string& path, UniqueFd file,
                             std::uint64_t size, const std::string& content_type);

  struct Ask {
    std::string method;
    std::string path;
    std::string body;
    std::string accept;
    std::string authorization;
  };
  struct Lines {
    int status = 0;
    std::string refusal;  // the body, when the status is not 200
  };
  // Calls `line` with each line, without its end, until it returns false. A `line` slower than the answer
  // ends the transfer when 1 MiB waits for it: the caller reads on from where it is by another request.
  // Errors: kCancelled as soon as `cancelled` is true.
  Result<Lines> read_lines(Ask ask, const std::function<bool(std::string_view)>& line,
                           const std::function<bool()>& cancelled);

 private:
  http::Request request(const std::string& authorization, const std::string& method,
                        const std::string& path) const;
  Result<std::string> whole(http::Request request);

  std::string base_url_;
  FrontendTrust trust_;
  http::Client client_;
};

}  // namespace answermill::grpc_bridge
