// One HTTP/1 request as a pure machine: bytes in, header and body pieces out. Beast does the parsing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "frontend/server/edge/http.h"

namespace answermill::frontend {

struct RequestHead {
  std::string method;
  std::string target;
  bool http10 = false;
  Headers headers;  // names in lower case, in order, repeated ones kept
  std::optional<std::uint64_t> content_length;
  bool chunked = false;
  bool keep_alive = true;
  bool upgrade = false;  // "Connection: upgrade" with any Upgrade header
};

class RequestParser {
 public:
  explicit RequestParser(std::size_t header_limit);
  ~RequestParser();
  RequestParser(RequestParser&&) noexcept;
  RequestParser& operator=(RequestParser&&) noexcept;

  enum class Step {
    kNeedMore,  // hand in what was not consumed again, with more behind it
    kHead,      // the header is complete: once, even when the request ends with it
    kComplete,  // the request has ended; bytes that were not consumed belong to the next
    kRefused,   // see refusal(); nothing more is parsed
  };
  struct Fed {
    Step step;
    std::size_t consumed;
  };
  // kHead is reported before any byte of the body is parsed; call again with the rest.
  Fed feed(std::string_view bytes);

  const RequestHead& head() const;
  // Decoded bytes of the body since the last call.
  std::string take_body();
  // A longer body is refused with 413. Call after kHead; no limit without it.
  void limit_body(std::uint64_t bytes);
  // What to answer after kRefused.
  const Refusal& refusal() const;

 private:
  struct Machine;
  std::unique_ptr<Machine> machine_;
};

}  // namespace answermill::frontend
