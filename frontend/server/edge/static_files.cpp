#include "frontend/server/edge/static_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "shared/base/sha256.h"

namespace answermill::frontend {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t kMaximumBytes = 256u * 1024 * 1024;

std::string_view content_type_of(std::string_view name) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 19> kTypes{{
      {".html", "text/html; charset=utf-8"},
      {".js", "text/javascript; charset=utf-8"},
      {".mjs", "text/javascript; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},
      {".json", "application/json; charset=utf-8"},
      {".map", "application/json; charset=utf-8"},
      {".webmanifest", "application/manifest+json"},
      {".svg", "image/svg+xml"},
      {".png", "image/png"},
      {".jpg", "image/jpeg"},
      {".webp", "image/webp"},
      {".gif", "image/gif"},
      {".ico", "image/x-icon"},
      {".woff2", "font/woff2"},
      {".woff", "font/woff"},
      {".txt", "text/plain; charset=utf-8"},
      {".wasm", "application/wasm"},
      {".pdf", "application/pdf"},
      {".md", "text/markdown; charset=utf-8"},
  }};
  for (const auto& [suffix, type] : kTypes) {
    if (name.size() >= suffix.size() && name.substr(name.size() - suffix.size()) == suffix) return type;
  }
  return "application/octet-stream";
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

template <class Visit>
void for_each_item(std::string_view list, Visit visit) {
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(','), list.size());
    visit(trim(list.substr(0, end)));
    list.remove_prefix(std::min(end + 1, list.size()));
  }
}

// RFC 9110 section 12.5.3; "q=0" in any spelling refuses.
bool accepts_encoding(std::string_view header, std::string_view encoding) {
  bool accepted = false;
  for_each_item(header, [&](std::string_view item) {
    const std::size_t semicolon = item.find(';');
    if (trim(item.substr(0, semicolon)) != encoding) return;
    accepted = true;
    if (semicolon == std::string_view::npos) return;
    const std::string_view weight = trim(item.substr(semicolon + 1));
    if (weight.substr(0, 2) == "q=" && weight.find_first_not_of("0.", 2) == std::string_view::npos)
      accepted = false;
  });
  return accepted;
}

bool etag_listed(std::string_view header, std::string_view etag) {
  bool found = false;
  for_each_item(header, [&](std::string_view item) {
    if (item.substr(0, 2) == "W/") item.remove_prefix(2);
    if (item == etag || item == "*") found = true;
  });
  return found;
}

}  // namespace

Result<StaticFiles> StaticFiles::load(const std::string& root) {
  StaticFiles out;
  std::error_code error;
  if (root.empty() || !fs::is_directory(root, error)) return out;
  std::map<std::string, Variant, std::less<>> all;
  std::size_t total = 0;
  for (fs::recursive_directory_iterator it(root, error), end; !error && it != end; it.increment(error)) {
    if (!it->is_regular_file(error)) continue;
    std::ifstream in(it->path(), std::ios::binary);
    std::string body((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    total += body.size();
    if (total > kMaximumBytes) {
      return Error{ErrorCode::kTooLarge, "the page's folder " + root + " holds more than 256 MB"};
    }
    std::string etag = fmt::format("\"{}\"", sha256_hex(body).substr(0, 32));
    all[fmt::format("/{}", fs::relative(it->path(), root, error).generic_string())] = {
        std::make_shared<const std::string>(std::move(body)), std::move(etag)};
  }
  const auto variant = [&all](const std::string& path) {
    const auto found = all.find(path);
    return found == all.end() ? Variant{} : found->second;
  };
  for (const auto& [path, plain] : all) {
    const std::string extension = fs::path(path).extension().string();
    // A compressed twin is another form of its original, not a file of its own.
    if ((extension == ".br" || extension == ".gz") && all.count(path.substr(0, path.size() - 3)) > 0)
      continue;
    out.files_[path] = File{std::string(content_type_of(path)), path.rfind("/assets/", 0) == 0, plain,
                            variant(path + ".br"), variant(path + ".gz")};
  }
  if (const auto index = out.files_.find("/index.html"); index != out.files_.end()) {
    out.files_["/"] = index->second;
  }
  return out;
}

const StaticFiles::File* StaticFiles::find(std::string_view path) const {
  const auto found = files_.find(path);
  return found == files_.end() ? nullptr : &found->second;
}

StaticAnswer StaticFiles::answer(const Request& request) const {
  const File& file = *find(request.path);
  const std::string_view accepted = request.header("accept-encoding");
  StaticAnswer out;
  const Variant* chosen = &file.plain;
  if (file.brotli.body && accepts_encoding(accepted, "br")) {
    chosen = &file.brotli;
    out.headers.emplace_back("Content-Encoding", "br");
  } else if (file.gzip.body && accepts_encoding(accepted, "gzip")) {
    chosen = &file.gzip;
    out.headers.emplace_back("Content-Encoding", "gzip");
  }
  if (file.content_type.rfind("text/html", 0) == 0)
    out.headers = [&] {
      Headers headers = page_headers(request.header("host"));
      headers.insert(headers.end(), out.headers.begin(), out.headers.end());
      return headers;
    }();
  out.content_type = file.content_type;
  out.headers.emplace_back("ETag", chosen->etag);
  if (file.brotli.body || file.gzip.body) out.headers.emplace_back("Vary", "Accept-Encoding");
  out.headers.emplace_back("Cache-Control",
                           file.immutable ? "public, max-age=31536000, immutable" : "no-cache");
  if (etag_listed(request.header("if-none-match"), chosen->etag)) {
    out.status = 304;
  } else {
    out.body = chosen->body;
  }
  return out;
}

Headers page_headers(std::string_view host) {
  std::string policy =
      "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
      "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; connect-src 'self'";
  // Browsers before 2022 do not count WebSockets of the same origin as 'self'.
  if (!host.empty()) policy.append(" ws://").append(host).append(" wss://").append(host);
  return {{"Content-Security-Policy", policy},
          {"Referrer-Policy", "same-origin"},
          {"X-Frame-Options", "DENY"},
          {"Cross-Origin-Opener-Policy", "same-origin"}};
}

}  // namespace answermill::frontend
