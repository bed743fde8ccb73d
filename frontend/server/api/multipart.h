// multipart/form-data, incrementally: bytes in, parts out, whatever the cuts between the pieces. Pure.
//
// Source: RFC 7578, RFC 2046 section 5.1. Limits: 16 KB of headers a part, 1,000 parts.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "shared/base/result.h"

namespace answermill::frontend {

struct PartHeader {
  std::string name;
  std::string file_name;  // as sent
  std::string content_type;
  bool is_file = false;  // a filename was given
};

class MultipartHandler {
 public:
  virtual ~MultipartHandler() = default;
  virtual void on_part(const PartHeader& header) = 0;
  virtual void on_part_data(std::string_view bytes) = 0;
  virtual void on_part_end() = 0;
};

class MultipartParser {
 public:
  MultipartParser(std::string_view boundary, MultipartHandler& handler);

  // Errors: kMalformed; the parser stays in that state.
  Status feed(std::string_view bytes);
  // The body is over. Errors: kMalformed when the last boundary did not come.
  Status end() const;

 private:
  enum class State { kPreamble, kAfterBoundary, kHeaders, kBody, kEpilogue, kFailed };

  bool step();
  bool skip_preamble();
  bool after_boundary();
  bool read_headers();
  bool read_body();
  bool fail(const char* why);

  std::string delimiter_;  // CR LF "--" boundary
  MultipartHandler& handler_;
  State state_ = State::kPreamble;
  std::string buffer_;  // bytes not yet decided on
  std::size_t at_ = 0;  // of buffer_, already consumed
  std::uint32_t parts_ = 0;
  Error error_{ErrorCode::kMalformed, {}};
};

// The boundary of a Content-Type header. Errors: kMalformed; kUnsupported when it is not multipart/form-data.
Result<std::string> multipart_boundary(std::string_view content_type);

// The headers of one part, without the empty line.
PartHeader parse_part_header(std::string_view lines);

}  // namespace answermill::frontend
