// The access tokens one server takes, and what became of those that clients still hold. Pure.
//
// Two kinds: those of the tokens file, which are needed everywhere from the first one on, and the one fixed
// token, which is needed beyond loopback and may do everything.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "frontend/server/edge/caller.h"

namespace answermill::frontend {

inline constexpr std::string_view kFixedTokenName = "access-token";

class TokenRing {
 public:
  // Of the configuration; an empty one is none.
  void set_fixed(std::string_view secret);
  // What the file says now. A token that went, or whose rights changed, is revoked for those who hold it.
  void replace(const access::TokenList& list);

  // Null: nobody's. Takes the same time for every wrong token.
  std::shared_ptr<const Grant> find(std::string_view secret) const;

  // The fixed token is everybody's: its holders are told apart by their addresses.
  bool is_shared(const std::shared_ptr<const Grant>& grant) const { return fixed_ && grant == fixed_; }

  bool has_fixed() const { return fixed_ != nullptr; }
  bool has_file() const { return has_file_; }
  std::size_t count() const { return grants_.size() + (fixed_ ? 1 : 0); }

 private:
  std::shared_ptr<Grant> fixed_;
  std::vector<std::shared_ptr<Grant>> grants_;
  bool has_file_ = false;
};

}  // namespace answermill::frontend
