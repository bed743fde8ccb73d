#include "shared/http/sse.h"

#include <algorithm>

namespace answermill::http {

Status SseParser::feed(std::string_view bytes, const Handler& handler) {
  std::size_t at = 0;
  while (at < bytes.size()) {
    if (after_cr_) {
      after_cr_ = false;
      if (bytes[at] == '\n') {
        ++at;
        continue;
      }
    }
    const std::size_t stop = std::min(bytes.find_first_of("\r\n", at), bytes.size());
    line_.append(bytes.substr(at, stop - at));
    if (line_.size() + data_.size() > max_event_bytes_) {
      return Error{ErrorCode::kTooLarge, "an event of the stream is too large"};
    }
    if (stop == bytes.size()) break;
    after_cr_ = bytes[stop] == '\r';
    at = stop + 1;
    end_line(handler);
  }
  return {};
}

void SseParser::end_line(const Handler& handler) {
  std::string_view line = line_;
  if (first_line_) {
    first_line_ = false;
    if (line.substr(0, 3) == "\xEF\xBB\xBF") line.remove_prefix(3);
  }
  if (line.empty()) {
    dispatch(handler);
  } else if (const std::size_t colon = line.find(':'); colon == std::string_view::npos) {
    take_field(line, {});
  } else if (colon > 0) {
    std::string_view value = line.substr(colon + 1);
    if (!value.empty() && value.front() == ' ') value.remove_prefix(1);
    take_field(line.substr(0, colon), value);
  }
  line_.clear();
}

void SseParser::take_field(std::string_view name, std::string_view value) {
  if (name == "event") {
    event_ = value;
  } else if (name == "data") {
    if (has_data_) data_ += '\n';
    data_ += value;
    has_data_ = true;
  } else if (name == "id") {
    if (value.find('\0') == std::string_view::npos) id_ = value;
  } else if (name == "retry") {
    constexpr std::size_t kMaxDigits = 12;
    const bool digits = std::all_of(value.begin(), value.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (!value.empty() && digits && value.size() <= kMaxDigits) {
      std::uint64_t number = 0;
      for (const char c : value) number = number * 10 + static_cast<std::uint64_t>(c - '0');
      retry_ms_ = number;
    }
  }
}

void SseParser::dispatch(const Handler& handler) {
  last_id_ = id_;
  // Per specification the test is on the data buffer's text: one empty `data:` line gives "\n" there, hence
  // an event.
  if (has_data_) {
    SseEvent event{event_.empty() ? "message" : std::move(event_), std::move(data_), last_id_};
    handler(event);
  }
  event_.clear();
  data_.clear();
  has_data_ = false;
}

}  // namespace answermill::http
