// The access tokens a server knows, and the file that names them.
//
// Only SHA-256 digests are kept: a token has 200 random bits, so nothing slower is needed, and whoever reads
// the file cannot come in with it. Tokens are made, listed and revoked by `answermill tokens`; servers follow
// the file (TokenFile). From the first token on the file exists, and every request needs one, even when all
// were revoked: only removing the file and restarting opens the door again.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/access/scope.h"
#include "shared/base/result.h"
#include "shared/base/sha256.h"

namespace answermill::access {

struct Token {
  std::string name;
  ScopeSet scopes;
  std::vector<std::string> collections;  // the only ones it reaches; empty: all
  Sha256Digest digest{};
  std::string since;  // day, for people

  friend bool operator==(const Token&, const Token&) = default;
};

// A line that cannot be read lets nobody in; `damaged` counts such lines.
struct TokenList {
  std::vector<Token> tokens;
  int damaged = 0;

  const Token* by_name(std::string_view name) const;
  // Takes the same time whatever is offered. Null: nobody's.
  const Token* by_secret(std::string_view offered) const;
};

// A fresh token: "am_" and 40 characters of lower-case base32.
std::string new_token();
// Letters, digits, '.', '-' and '_', at most 64.
bool is_token_name(std::string_view name);
bool same_digest(const Sha256Digest& a, const Sha256Digest& b);  // in constant time

TokenList parse_token_list(std::string_view text);
std::string format_token_list(const TokenList& list);

std::string token_list_path(const std::string& data);

// The file, read again when it has changed.
//
// Thread: its owner's; refresh() reads a small file.
class TokenFile {
 public:
  explicit TokenFile(std::string path) : path_(std::move(path)) {}

  // Empty: nothing new. A file that is missing from the start counts as nothing new; one that vanishes or
  // cannot be read is an error, told once, and what was read last stays in force.
  Result<std::optional<TokenList>> refresh();
  const std::string& path() const { return path_; }

 private:
  struct Mark {
    ino_t inode = 0;
    off_t size = 0;
    std::int64_t changed_ns = 0;
    bool present = false;
    friend bool operator==(const Mark&, const Mark&) = default;
  };

  std::string path_;
  Mark seen_;
};

}  // namespace answermill::access
