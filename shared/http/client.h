// One libcurl multi client: many HTTP/1.1 requests at once on one thread of its own.
//
// Thread: every function from any thread. Callbacks run on the client's thread: they must not block and must
// not call fetch(). The thread blocks all signals, so a signalfd elsewhere sees them. Owns: the thread and
// every connection. The destructor ends what still runs with kCancelled and joins. Errors: kUnavailable (no
// connection), kTimeout, kCancelled, kTooLarge, kInvalidArgument (bad URL), kUpstream (broke off midway). An
// HTTP status of 400 and more is not an error here: the caller sees the status. Source:
// https://curl.se/libcurl/c/libcurl-multi.html, RFC 9112
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shared/base/result.h"
#include "shared/base/unix_fd.h"

namespace answermill::http {

using Headers = std::vector<std::pair<std::string, std::string>>;

// The value of the first header of this name (case does not matter); empty when there is none.
std::string_view find_header(const Headers& headers, std::string_view name);

// Zero means no limit.
struct Timeouts {
  std::chrono::milliseconds connect{10'000};  // name lookup, TCP and TLS
  std::chrono::milliseconds first_byte{0};    // from the last byte sent to the first byte of the body
  std::chrono::milliseconds idle{0};          // between bytes of the body
  std::chrono::milliseconds total{0};
};

struct Request {
  std::string method = "GET";
  std::string url;
  Headers headers;
  std::string body;    // sent with a Content-Length; Content-Type is the caller's
  UniqueFd body_file;  // instead of `body`: streamed from offset 0 to body_file_size (regular files)
  std::uint64_t body_file_size = 0;
  std::function<void(std::uint64_t sent)> on_upload;  // bytes of body_file handed to the connection so far
  Timeouts timeouts;
  std::string ca_file;                 // PEM: whom to believe, instead of the system's authorities
  bool trust_any_certificate = false;  // only for a server of our own on this host
};

struct Callbacks {
  std::function<void(int status, const Headers& headers)>
      on_headers;  // the final response's, before any on_data
  std::function<void(std::string_view bytes)> on_data;
  std::function<void(Result<int> status)>
      on_done;  // exactly once, last: the HTTP status, or why there is none
};

struct Response {
  int status = 0;
  Headers headers;
  std::string body;
};

using Handle = std::uint64_t;

class Client {
 public:
  Client();
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Returns at once; never fails by itself: everything is told by the callbacks.
  Handle start(Request request, Callbacks callbacks);

  // Closes the request's connection at once; on_done follows with kCancelled. Unknown and finished ones are
  // ignored.
  void cancel(Handle handle);

  // Runs a task on the client's thread, now or after a delay. Tasks still waiting at destruction are dropped.
  void post(std::function<void()> task);
  void after(std::chrono::milliseconds delay, std::function<void()> task);

  // Blocks until the response is complete. With `on_data` the body goes there (called from the client's
  // thread) instead of into Response::body; without it a body over `max_bytes` is kTooLarge.
  Result<Response> fetch(Request request, std::function<void(std::string_view)> on_data = {},
                         std::size_t max_bytes = std::size_t{64} << 20U);

 private:
  struct Loop;
  std::unique_ptr<Loop> loop_;
};

// Percent-encodes everything but RFC 3986's unreserved characters: for path segments and query values.
std::string url_encode(std::string_view text);

}  // namespace answermill::http
