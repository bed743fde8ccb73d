#include "frontend/server/api/multipart.h"

#include <algorithm>
#include <utility>

namespace answermill::frontend {
namespace {

constexpr std::size_t kMaxHeaderBytes = 16 * 1024;
constexpr std::uint32_t kMaxParts = 1000;
constexpr std::string_view kLineEnd = "\r\n";

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

std::string lowered(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char l = lower(c);
  return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0) {
      out.push_back(static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2])));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

// What browsers escape in a quoted name, and nothing else: a real '%' stays.
std::string form_decoded(std::string text) {
  for (const auto& [escaped, plain] :
       {std::pair{"%22", '"'}, std::pair{"%0D", '\r'}, std::pair{"%0A", '\n'}}) {
    for (auto at = text.find(escaped); at != std::string::npos; at = text.find(escaped, at + 1)) {
      text.replace(at, 3, 1, plain);
    }
  }
  return text;
}

// One `name=value` or `name="value"` at the front of `rest`, which is moved past it. Browsers write %22 for a
// quote inside a quoted name, older clients a backslash before it.
bool next_parameter(std::string_view& rest, std::string& name, std::string& value) {
  const auto semicolon = rest.find(';');
  if (semicolon == std::string_view::npos) return false;
  rest = trimmed(rest.substr(semicolon + 1));
  const auto equals = rest.find('=');
  if (equals == std::string_view::npos) return false;
  name = lowered(trimmed(rest.substr(0, equals)));
  rest = trimmed(rest.substr(equals + 1));
  value.clear();
  if (rest.empty() || rest.front() != '"') {
    const auto end = std::min(rest.find(';'), rest.size());
    value = trimmed(rest.substr(0, end));
    rest = rest.substr(end);
    return true;
  }
  std::size_t i = 1;
  for (; i < rest.size() && rest[i] != '"'; ++i) {
    if (rest[i] == '\\' && i + 1 < rest.size() && (rest[i + 1] == '"' || rest[i + 1] == '\\')) ++i;
    value.push_back(rest[i]);
  }
  rest = rest.substr(std::min(i + 1, rest.size()));
  return true;
}

// RFC 5987: UTF-8''caf%C3%A9.pdf
std::string extended_value(std::string_view value) {
  const auto first = value.find('\'');
  const auto second = first == std::string_view::npos ? first : value.find('\'', first + 1);
  return percent_decoded(second == std::string_view::npos ? value : value.substr(second + 1));
}

}  // namespace

PartHeader parse_part_header(std::string_view lines) {
  PartHeader header;
  bool extended = false;
  while (!lines.empty()) {
    const auto end = std::min(lines.find(kLineEnd), lines.size());
    const std::string_view line = lines.substr(0, end);
    lines.remove_prefix(std::min(end + kLineEnd.size(), lines.size()));
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string field = lowered(trimmed(line.substr(0, colon)));
    std::string_view rest = trimmed(line.substr(colon + 1));
    if (field == "content-type") header.content_type = rest;
    if (field != "content-disposition") continue;
    std::string name;
    std::string value;
    while (next_parameter(rest, name, value)) {
      if (name == "name") header.name = value;
      if (name == "filename*") {
        header.file_name = extended_value(value);
        extended = true;
      }
      if (name == "filename" && !extended) header.file_name = form_decoded(value);
      header.is_file = header.is_file || name == "filename" || name == "filename*";
    }
  }
  return header;
}

Result<std::string> multipart_boundary(std::string_view content_type) {
  const auto type = lowered(trimmed(content_type.substr(0, content_type.find(';'))));
  if (type != "multipart/form-data")
    return Error{ErrorCode::kUnsupported, "This is not multipart/form-data."};
  std::string_view rest = content_type;
  std::string name;
  std::string value;
  while (next_parameter(rest, name, value)) {
    if (name == "boundary" && !value.empty() && value.size() <= 70) return value;
  }
  return Error{ErrorCode::kMalformed, "The Content-Type names no boundary."};
}

MultipartParser::MultipartParser(std::string_view boundary, MultipartHandler& handler)
    : delimiter_("\r\n--" + std::string(boundary)), handler_(handler), buffer_(kLineEnd) {}

Status MultipartParser::feed(std::string_view bytes) {
  buffer_.append(bytes);
  while (state_ != State::kFailed && step()) {
  }
  buffer_.erase(0, at_);
  at_ = 0;
  if (state_ == State::kFailed) return error_;
  return {};
}

Status MultipartParser::end() const {
  if (state_ == State::kEpilogue) return {};
  if (state_ == State::kFailed) return error_;
  return Error{ErrorCode::kMalformed, "The form ends before its last boundary."};
}

bool MultipartParser::fail(const char* why) {
  state_ = State::kFailed;
  error_.message = why;
  buffer_.clear();
  at_ = 0;
  return false;
}

// True when something was decided and another step may find more.
bool MultipartParser::step() {
  switch (state_) {
    case State::kPreamble:
      return skip_preamble();
    case State::kAfterBoundary:
      return after_boundary();
    case State::kHeaders:
      return read_headers();
    case State::kBody:
      return read_body();
    case State::kEpilogue:
      at_ = buffer_.size();
      return false;
    case State::kFailed:
      return false;
  }
  return false;
}

bool MultipartParser::skip_preamble() {
  const auto found = buffer_.find(delimiter_, at_);
  if (found == std::string::npos) {
    const std::size_t keep = delimiter_.size() - 1;
    if (buffer_.size() - at_ > keep) at_ = buffer_.size() - keep;
    return false;
  }
  at_ = found + delimiter_.size();
  state_ = State::kAfterBoundary;
  return true;
}

bool MultipartParser::after_boundary() {
  // Padding may follow the boundary (RFC 2046); then the line's end, or "--" after the last part.
  std::size_t i = at_;
  while (i < buffer_.size() && (buffer_[i] == ' ' || buffer_[i] == '\t')) ++i;
  if (buffer_.size() - i < 2) return i - at_ > kMaxHeaderBytes ? fail("A boundary line is too long.") : false;
  const std::string_view next = std::string_view(buffer_).substr(i, 2);
  if (next == "--") {
    state_ = State::kEpilogue;
    return true;
  }
  if (next != kLineEnd) return fail("A boundary is followed by something else than a line's end.");
  at_ = i;  // the line's end stays: headers may be empty, and then it is half of what ends them
  state_ = State::kHeaders;
  return true;
}

bool MultipartParser::read_headers() {
  const auto end = buffer_.find("\r\n\r\n", at_);
  if (end == std::string::npos) {
    return buffer_.size() - at_ > kMaxHeaderBytes ? fail("The headers of a part are too long.") : false;
  }
  if (end - at_ > kMaxHeaderBytes) return fail("The headers of a part are too long.");
  if (++parts_ > kMaxParts) return fail("The form has too many parts.");
  handler_.on_part(parse_part_header(std::string_view(buffer_).substr(at_, end - at_)));
  at_ = end + 2 * kLineEnd.size();
  state_ = State::kBody;
  return true;
}

bool MultipartParser::read_body() {
  const auto found = buffer_.find(delimiter_, at_);
  if (found != std::string::npos) {
    if (found > at_) handler_.on_part_data(std::string_view(buffer_).substr(at_, found - at_));
    handler_.on_part_end();
    at_ = found + delimiter_.size();
    state_ = State::kAfterBoundary;
    return true;
  }
  // All but what could be the beginning of a delimiter belongs to the part.
  const std::size_t available = buffer_.size() - at_;
  const std::size_t keep = std::min(available, delimiter_.size() - 1);
  if (available > keep) handler_.on_part_data(std::string_view(buffer_).substr(at_, available - keep));
  at_ = buffer_.size() - keep;
  return false;
}

}  // namespace answermill::frontend
