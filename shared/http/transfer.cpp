#include "shared/http/transfer.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace answermill::http {
namespace {

// A proxy from the environment must never see what is meant for this machine.
bool is_loopback(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme != std::string_view::npos) url.remove_prefix(scheme + 3);
  for (const std::string_view host : {"localhost", "127.", "[::1]"}) {
    if (url.substr(0, host.size()) == host) return true;
  }
  return false;
}

std::string_view trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

ErrorCode error_code_of(CURLcode code) {
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return ErrorCode::kTimeout;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return ErrorCode::kInvalidArgument;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
      return ErrorCode::kUnavailable;
    default:
      return ErrorCode::kUpstream;
  }
}

}  // namespace

Transfer::Transfer(Handle handle, Request request, Callbacks callbacks, Clock::time_point now)
    : handle_(handle),
      request_(std::move(request)),
      callbacks_(std::move(callbacks)),
      easy_(curl_easy_init()),
      last_activity_(now) {
  if (easy_) configure();
}

void Transfer::configure() {
  CURL* easy = easy_.get();
  for (const auto& [name, value] : request_.headers) {
    const std::string line = value.empty() ? name + ";" : name + ": " + value;
    curl_slist* longer = curl_slist_append(header_list_.get(), line.c_str());
    if (longer != header_list_.get()) {
      (void)header_list_.release();
      header_list_.reset(longer);
    }
  }
  // Waiting for "100 Continue" costs a second with servers that do not know it.
  curl_slist* longer = curl_slist_append(header_list_.get(), "Expect:");
  if (longer != header_list_.get()) {
    (void)header_list_.release();
    header_list_.reset(longer);
  }
  curl_easy_setopt(easy, CURLOPT_URL, request_.url.c_str());
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, header_list_.get());
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error_text_);
  curl_easy_setopt(easy, CURLOPT_PRIVATE, this);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);  // a cancel must not wait for a name lookup
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  // One connection for each stream: closing it is what cancels, at once and visibly.
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request_.timeouts.connect.count()));
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(request_.timeouts.total.count()));
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "answermill/" ANSWERMILL_VERSION);
  if (!request_.ca_file.empty()) curl_easy_setopt(easy, CURLOPT_CAINFO, request_.ca_file.c_str());
  if (request_.trust_any_certificate) {
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
  }
  if (is_loopback(request_.url)) curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &Transfer::on_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Transfer::on_write);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
  configure_body();
}

void Transfer::configure_body() {
  CURL* easy = easy_.get();
  if (request_.body_file) {
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request_.body_file_size));
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 256L * 1024L);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, &Transfer::on_read);
    curl_easy_setopt(easy, CURLOPT_READDATA, this);
    curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, &Transfer::on_seek);
    curl_easy_setopt(easy, CURLOPT_SEEKDATA, this);
  } else if (!request_.body.empty() || request_.method == "POST") {
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request_.body.c_str());
  } else if (request_.method == "HEAD") {
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    return;
  }
  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request_.method.c_str());
}

Clock::time_point Transfer::next_timeout() const {
  const auto limit = body_begun_ ? request_.timeouts.idle : request_.timeouts.first_byte;
  return limit.count() > 0 ? last_activity_ + limit : Clock::time_point::max();
}

void Transfer::announce_headers() {
  if (headers_announced_) return;
  headers_announced_ = true;
  long status = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
  if (callbacks_.on_headers) callbacks_.on_headers(static_cast<int>(status), response_headers_);
}

std::size_t Transfer::take_header(std::string_view line) {
  constexpr std::string_view kStatusLine = "HTTP/";
  const std::string_view field = trim(line);
  if (line.substr(0, kStatusLine.size()) == kStatusLine) {
    response_headers_.clear();  // what came before was an interim response
  } else if (field.empty()) {
    long status = 0;
    curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200) announce_headers();
  } else if (const std::size_t colon = field.find(':');
             colon != std::string_view::npos && !headers_announced_) {
    response_headers_.emplace_back(trim(field.substr(0, colon)), trim(field.substr(colon + 1)));
  }
  return line.size();
}

std::size_t Transfer::take_data(std::string_view bytes) {
  announce_headers();
  body_begun_ = true;
  last_activity_ = Clock::now();
  if (callbacks_.on_data) callbacks_.on_data(bytes);
  return bytes.size();
}

std::size_t Transfer::give_body(char* buffer, std::size_t size) {
  const std::uint64_t left = request_.body_file_size - std::min(body_sent_, request_.body_file_size);
  const ssize_t got = pread(request_.body_file.get(), buffer, std::min<std::uint64_t>(size, left),
                            static_cast<off_t>(body_sent_));
  if (got < 0) return CURL_READFUNC_ABORT;
  body_sent_ += static_cast<std::uint64_t>(got);
  last_activity_ = Clock::now();
  if (request_.on_upload) request_.on_upload(body_sent_);
  return static_cast<std::size_t>(got);
}

void Transfer::finish(CURLcode code) {
  if (code == CURLE_OK) {
    long status = 0;
    curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
    announce_headers();
    if (callbacks_.on_done) callbacks_.on_done(static_cast<int>(status));
    return;
  }
  std::string reason = error_text_[0] != '\0' ? error_text_ : curl_easy_strerror(code);
  finish(Error{error_code_of(code), std::move(reason)});
}

void Transfer::finish(Error error) {
  if (callbacks_.on_done) callbacks_.on_done(std::move(error));
}

std::size_t Transfer::on_header(char* data, std::size_t size, std::size_t count, void* self) {
  return static_cast<Transfer*>(self)->take_header({data, size * count});
}

std::size_t Transfer::on_write(char* data, std::size_t size, std::size_t count, void* self) {
  return static_cast<Transfer*>(self)->take_data({data, size * count});
}

std::size_t Transfer::on_read(char* buffer, std::size_t size, std::size_t count, void* self) {
  return static_cast<Transfer*>(self)->give_body(buffer, size * count);
}

int Transfer::on_seek(void* self, curl_off_t offset, int origin) {
  if (origin != SEEK_SET) return CURL_SEEKFUNC_CANTSEEK;
  static_cast<Transfer*>(self)->body_sent_ = static_cast<std::uint64_t>(offset);
  return CURL_SEEKFUNC_OK;
}

}  // namespace answermill::http
