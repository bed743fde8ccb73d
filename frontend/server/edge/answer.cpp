#include "frontend/server/edge/answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace answermill::frontend {
namespace {

std::string_view error_name(int status) {
  switch (status) {
    case 400:
      return "malformed";
    case 401:
      return "unauthorized";
    case 403:
      return "forbidden";
    case 404:
      return "not_found";
    case 408:
      return "timeout";
    case 409:
      return "conflict";
    case 413:
    case 431:
      return "too_large";
    case 415:
    case 422:
    case 505:
      return "unsupported";
    case 429:
      return "rate_limited";
    case 500:
      return "internal";
    case 502:
      return "upstream";
    case 503:
      return "busy";
    case 504:
      return "timeout";
    default:
      return status >= 500 ? "internal" : "invalid_argument";
  }
}

void append_json_string(std::string& out, std::string_view text) {
  out.push_back('"');
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
}

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out.push_back(c);
    }
  }
  return out;
}

void append_header(std::string& out, std::string_view name, std::string_view value) {
  const auto clean = [&out](std::string_view text) {
    for (const char c : text) {
      if (c != '\r' && c != '\n' && c != '\0') out.push_back(c);
    }
  };
  clean(name);
  out += ": ";
  clean(value);
  out += "\r\n";
}

bool has_header(const Headers& headers, std::string_view lower_case_name) {
  return std::any_of(headers.begin(), headers.end(), [&](const auto& header) {
    return std::equal(header.first.begin(), header.first.end(), lower_case_name.begin(),
                      lower_case_name.end(),
                      [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; });
  });
}

}  // namespace

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 411:
      return "Length Required";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 417:
      return "Expectation Failed";
    case 421:
      return "Misdirected Request";
    case 422:
      return "Unprocessable Content";
    case 426:
      return "Upgrade Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    case 507:
      return "Insufficient Storage";
    default:
      return "Status";
  }
}

std::string error_json(int status, std::string_view message) {
  return error_json(Refusal{status, std::string(message)});
}

Headers refusal_headers(const Refusal& refusal) {
  if (refusal.status == 401) return {{"WWW-Authenticate", "Bearer"}};
  if (!refusal.scope.empty()) {
    // Scopes are listed with spaces there (RFC 6749 section 3.3).
    std::string scopes = refusal.scope;
    std::replace(scopes.begin(), scopes.end(), ',', ' ');
    return {{"WWW-Authenticate", fmt::format(R"(Bearer error="insufficient_scope", scope="{}")", scopes)}};
  }
  if (refusal.retry_after.count() <= 0) return {};
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(refusal.retry_after);
  return {{"Retry-After", fmt::to_string(seconds.count())}};
}

std::string error_json(const Refusal& refusal) {
  const int status = refusal.status;
  const bool retryable = status == 408 || status == 429 || status == 502 || status == 503 || status == 504;
  std::string out = R"({"error":{"code":")";
  out += error_name(status);
  out += R"(","message":)";
  append_json_string(out, refusal.reason);
  out += R"(,"retryable":)";
  out += retryable ? "true" : "false";
  if (!refusal.scope.empty()) {
    out += R"(,"scope":)";
    append_json_string(out, refusal.scope);
  }
  if (refusal.retry_after.count() > 0)
    out +=
        fmt::format(R"(,"retry_after":{:.3f})", std::chrono::duration<double>(refusal.retry_after).count());
  out += "}}";
  return out;
}

std::string error_html(int status, std::string_view message) {
  return fmt::format(
      "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width\"><title>{0} {1}</title>"
      "<h1>{1}</h1><p>{2}</p><p><a href=\"/\">Answermill</a></p></html>\n",
      status, reason_phrase(status), escape_html(message));
}

std::string format_head(const AnswerHead& head, const Headers& extra) {
  std::string out = fmt::format("HTTP/1.1 {} {}\r\n", head.status, reason_phrase(head.status));
  if (!head.content_type.empty()) append_header(out, "Content-Type", head.content_type);
  if (head.framing == BodyFraming::kLength) append_header(out, "Content-Length", fmt::to_string(head.length));
  if (head.framing == BodyFraming::kChunked) append_header(out, "Transfer-Encoding", "chunked");
  if (!head.keep_alive) {
    append_header(out, "Connection", "close");
  } else if (head.http10) {
    append_header(out, "Connection", "keep-alive");
  }
  for (const auto& [name, value] : extra) append_header(out, name, value);
  // Answers change from moment to moment and may hold what only this user may see.
  if (!has_header(extra, "cache-control")) append_header(out, "Cache-Control", "no-store");
  append_header(out, "X-Content-Type-Options", "nosniff");
  out += "\r\n";
  return out;
}

std::string chunk_prefix(std::size_t size) { return fmt::format("{:x}\r\n", size); }

}  // namespace answermill::frontend
