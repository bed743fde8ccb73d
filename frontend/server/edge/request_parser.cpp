#include "frontend/server/edge/request_parser.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <limits>
#include <utility>

namespace answermill::frontend {
namespace {

namespace http = boost::beast::http;
using ErrorCodeOut = boost::beast::error_code;
using View = boost::beast::string_view;

std::string_view standard(View view) { return {view.data(), view.size()}; }

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

// Whether the request line in `raw` names, as RFC 9112 section 2.3 writes it, a version other than ours.
bool names_another_version(std::string_view raw) {
  const std::string_view line = raw.substr(0, raw.find("\r\n"));
  const std::string_view version = line.substr(line.rfind(' ') + 1);
  const auto digit = [&version](std::size_t at) { return version[at] >= '0' && version[at] <= '9'; };
  return version.size() == 8 && version.substr(0, 5) == "HTTP/" && digit(5) && version[6] == '.' &&
         digit(7) && version.substr(5) != "1.0" && version.substr(5) != "1.1";
}

Refusal refusal_for(const ErrorCodeOut& error, std::string_view raw) {
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return {431, "The request's header is too large."};
  }
  if (error == http::error::body_limit) return {413, "The request's body is too large."};
  if (error == http::error::bad_version)
    return {names_another_version(raw) ? 505 : 400, "Only HTTP/1.0 and HTTP/1.1 are spoken here."};
  return {400, "The request is malformed: " + error.message() + "."};
}

// What two readers could take for requests of different lengths (RFC 9112 sections 5.2, 6.1 and 6.3). Some of
// it may be read in one lawful way, but nobody honest sends it.
Refusal ambiguity(const RequestHead& head, std::string_view raw) {
  if (raw.find("\r\n ") != std::string_view::npos || raw.find("\r\n\t") != std::string_view::npos)
    return {400, "A header's value goes on in another line."};
  int lengths = 0;
  for (const auto& [name, value] : head.headers) {
    if (name == "content-length" && (++lengths > 1 || value.find(',') != std::string::npos))
      return {400, "The request names more than one length."};
    if (name == "transfer-encoding" && (lower(value) != "chunked" || head.http10))
      return {400, "The only transfer coding understood here is chunked, in HTTP/1.1."};
  }
  return {};
}

}  // namespace

struct RequestParser::Machine final : public http::basic_parser<true> {
  RequestHead head;
  std::string body;
  Refusal refused;
  bool head_reported = false;

 private:
  void on_request_impl(http::verb, View method, View target, int version, ErrorCodeOut& error) override {
    error = {};
    head.method = standard(method);
    head.target = standard(target);
    head.http10 = version < 11;
  }
  void on_response_impl(int, View, int, ErrorCodeOut& error) override { error = {}; }
  void on_field_impl(http::field, View name, View value, ErrorCodeOut& error) override {
    error = {};
    // Trailers arrive after the decision was made; nothing may be changed by them.
    if (!head_reported) head.headers.emplace_back(lower(standard(name)), standard(value));
  }
  void on_header_impl(ErrorCodeOut& error) override { error = {}; }
  void on_body_init_impl(const boost::optional<std::uint64_t>&, ErrorCodeOut& error) override { error = {}; }
  std::size_t on_body_impl(View bytes, ErrorCodeOut& error) override {
    error = {};
    body.append(bytes.data(), bytes.size());
    return bytes.size();
  }
  void on_chunk_header_impl(std::uint64_t, View, ErrorCodeOut& error) override { error = {}; }
  std::size_t on_chunk_body_impl(std::uint64_t, View bytes, ErrorCodeOut& error) override {
    return on_body_impl(bytes, error);
  }
  void on_finish_impl(ErrorCodeOut& error) override { error = {}; }
};

RequestParser::RequestParser(std::size_t header_limit) : machine_(std::make_unique<Machine>()) {
  machine_->header_limit(static_cast<std::uint32_t>(header_limit));
  machine_->body_limit(std::numeric_limits<std::uint64_t>::max());
}
RequestParser::~RequestParser() = default;
RequestParser::RequestParser(RequestParser&&) noexcept = default;
RequestParser& RequestParser::operator=(RequestParser&&) noexcept = default;

RequestParser::Fed RequestParser::feed(std::string_view bytes) {
  Machine& machine = *machine_;
  std::size_t consumed = 0;
  while (!machine.is_done()) {
    ErrorCodeOut error;
    consumed += machine.put(boost::asio::buffer(bytes.data() + consumed, bytes.size() - consumed), error);
    if (error == http::error::need_more) return {Step::kNeedMore, consumed};
    if (error) {
      machine.refused = refusal_for(error, bytes);
      return {Step::kRefused, consumed};
    }
    if (machine.is_header_done() && !machine.head_reported) break;
    if (consumed == bytes.size() && !machine.is_done()) return {Step::kNeedMore, consumed};
  }
  if (machine.head_reported) return {Step::kComplete, consumed};
  machine.head_reported = true;
  machine.eager(true);
  RequestHead& head = machine.head;
  head.chunked = machine.chunked();
  if (const auto length = machine.content_length()) head.content_length = *length;
  head.keep_alive = machine.keep_alive();
  head.upgrade = machine.upgrade();
  machine.refused = ambiguity(head, bytes.substr(0, consumed));
  if (machine.refused.status != 0) return {Step::kRefused, consumed};
  return {Step::kHead, consumed};
}

const RequestHead& RequestParser::head() const { return machine_->head; }
std::string RequestParser::take_body() { return std::exchange(machine_->body, {}); }
void RequestParser::limit_body(std::uint64_t bytes) { machine_->body_limit(bytes); }
const Refusal& RequestParser::refusal() const { return machine_->refused; }

}  // namespace answermill::frontend
