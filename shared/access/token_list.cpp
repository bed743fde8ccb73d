#include "shared/access/token_list.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "shared/base/ids.h"
#include "shared/base/unix_fd.h"

namespace answermill::access {
namespace {

constexpr std::size_t kRandomCharacters = 40;  // of five bits
constexpr std::size_t kMaxNameCharacters = 64;
constexpr std::size_t kMaxFileBytes = 4 * 1024 * 1024;
constexpr std::string_view kEverything = "*";

std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of(separators), text.size());
    if (end > 0) parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

std::optional<Sha256Digest> digest_from(std::string_view hex) {
  Sha256Digest digest{};
  if (hex.size() != 2 * digest.size()) return std::nullopt;
  for (std::size_t i = 0; i < digest.size(); ++i) {
    const int high = hex_value(hex[2 * i]);
    const int low = hex_value(hex[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    digest[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return digest;
}

// NAME SCOPES SHA256 COLLECTIONS [SINCE]
std::optional<Token> parse_line(std::string_view line) {
  const auto words = split(line, " \t");
  if (words.size() < 4 || !is_token_name(words[0])) return std::nullopt;
  const auto scopes = ScopeSet::parse(words[1]);
  const auto digest = digest_from(words[2]);
  if (!scopes || !digest) return std::nullopt;
  Token token{std::string(words[0]), *scopes, {}, *digest, {}};
  if (words[3] != kEverything) {
    for (const auto collection : split(words[3], ",")) {
      if (!is_token_name(collection)) return std::nullopt;
      token.collections.emplace_back(collection);
    }
    if (token.collections.empty()) return std::nullopt;
  }
  if (words.size() > 4) token.since = words[4];
  return token;
}

Result<std::string> read_whole(int fd, const std::string& path) {
  std::string text;
  std::array<char, 16 * 1024> piece{};
  while (text.size() <= kMaxFileBytes) {
    const ssize_t got = ::read(fd, piece.data(), piece.size());
    if (got == 0) return text;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Error{ErrorCode::kUnavailable, path + ": " + std::strerror(errno)};
    text.append(piece.data(), static_cast<std::size_t>(got));
  }
  return Error{ErrorCode::kTooLarge, path + ": is too large for a list of tokens"};
}

}  // namespace

bool same_digest(const Sha256Digest& a, const Sha256Digest& b) {
  std::uint8_t difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) difference |= a[i] ^ b[i];
  return difference == 0;
}

const Token* TokenList::by_name(std::string_view name) const {
  const auto found =
      std::find_if(tokens.begin(), tokens.end(), [&](const Token& token) { return token.name == name; });
  return found == tokens.end() ? nullptr : &*found;
}

const Token* TokenList::by_secret(std::string_view offered) const {
  const Sha256Digest digest = sha256(offered);
  const Token* match = nullptr;
  for (const Token& token : tokens) {
    if (same_digest(token.digest, digest)) match = &token;  // goes on: the place in the list does not show
  }
  return match;
}

std::string new_token() { return "am_" + random_id(kRandomCharacters); }

bool is_token_name(std::string_view name) {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
  return !name.empty() && name.size() <= kMaxNameCharacters && name.front() != '.' &&
         name.find_first_not_of(kLetters) == std::string_view::npos;
}

TokenList parse_token_list(std::string_view text) {
  TokenList list;
  for (const auto line : split(text, "\n")) {
    const auto words = split(line, " \t\r");
    if (words.empty() || words[0].front() == '#') continue;
    auto token = parse_line(line.back() == '\r' ? line.substr(0, line.size() - 1) : line);
    if (!token || list.by_name(token->name) != nullptr) {
      ++list.damaged;
      continue;
    }
    list.tokens.push_back(std::move(*token));
  }
  return list;
}

std::string format_token_list(const TokenList& list) {
  std::string text =
      "# Access tokens: name, scopes, SHA-256 of the token, collections (* for all), day it was made.\n"
      "# While this file exists every request needs one of them. Changes take effect at once.\n";
  for (const Token& token : list.tokens) {
    std::string collections;
    for (const auto& name : token.collections) collections += (collections.empty() ? "" : ",") + name;
    text += token.name + " " + token.scopes.text() + " " + to_hex(token.digest) + " " +
            (collections.empty() ? std::string(kEverything) : collections);
    text += token.since.empty() ? "\n" : " " + token.since + "\n";
  }
  return text;
}

std::string token_list_path(const std::string& data) { return data + "/tokens"; }

Result<std::optional<TokenList>> TokenFile::refresh() {
  const UniqueFd file(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat facts {};
  Mark mark;
  if (file && ::fstat(file.get(), &facts) == 0) {
    mark = {facts.st_ino, facts.st_size,
            std::int64_t{facts.st_mtim.tv_sec} * 1'000'000'000 + facts.st_mtim.tv_nsec, true};
  }
  const bool missing = !file && errno == ENOENT;
  if (missing && !seen_.present) return std::optional<TokenList>();
  if (!mark.present) {
    if (seen_ == Mark{0, -1, 0, true}) return std::optional<TokenList>();  // told already
    const int why = errno;
    seen_ = {0, -1, 0, true};
    return Error{ErrorCode::kUnavailable, path_ + ": " + std::strerror(why)};
  }
  if (mark == seen_) return std::optional<TokenList>();
  seen_ = mark;
  auto text = read_whole(file.get(), path_);
  if (!text) return text.error();
  return std::optional(parse_token_list(*text));
}

}  // namespace answermill::access
