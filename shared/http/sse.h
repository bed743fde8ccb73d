// Server-sent events, read incrementally: feed bytes as they come, get whole events.
//
// Thread: one at a time. Pure: no I/O, no clock. An event that is not ended by a blank line is never
// delivered. Source: WHATWG HTML, section 9.2.6 "Interpreting an event stream"
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "shared/base/result.h"

namespace answermill::http {

struct SseEvent {
  std::string event;  // "message" when the stream names none
  std::string data;
  std::string id;  // the last event id so far

  friend bool operator==(const SseEvent&, const SseEvent&) = default;
};

class SseParser {
 public:
  using Handler = std::function<void(const SseEvent&)>;

  explicit SseParser(std::size_t max_event_bytes = std::size_t{16} << 20U)
      : max_event_bytes_(max_event_bytes) {}

  // Calls `handler` for every event completed by these bytes.
  // Errors: kTooLarge when one event exceeds the limit; the parser is of no use afterwards.
  Status feed(std::string_view bytes, const Handler& handler);

  const std::string& last_event_id() const { return last_id_; }
  std::optional<std::uint64_t> retry_ms() const { return retry_ms_; }

 private:
  void end_line(const Handler& handler);
  void take_field(std::string_view name, std::string_view value);
  void dispatch(const Handler& handler);

  std::size_t max_event_bytes_;
  std::string line_;
  bool first_line_ = true;  // a byte order mark may precede it
  bool after_cr_ = false;   // the LF of a CRLF is still to be skipped
  std::string event_;
  std::string data_;
  bool has_data_ = false;
  std::string id_;  // as given by the event being read; becomes last_id_ at its end
  std::string last_id_;
  std::optional<std::uint64_t> retry_ms_;
};

}  // namespace answermill::http
