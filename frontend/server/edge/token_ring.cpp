#include "frontend/server/edge/token_ring.h"

#include <algorithm>
#include <string>
#include <utility>

namespace answermill::frontend {

void TokenRing::set_fixed(std::string_view secret) {
  if (fixed_) fixed_->revoked = true;
  fixed_.reset();
  if (secret.empty()) return;
  fixed_ = std::make_shared<Grant>();
  fixed_->token = {std::string(kFixedTokenName), {access::Scope::kAdmin}, {}, sha256(secret), {}};
}

void TokenRing::replace(const access::TokenList& list) {
  has_file_ = true;
  auto before = std::exchange(grants_, {});
  for (const auto& token : list.tokens) {
    const auto same = std::find_if(before.begin(), before.end(),
                                   [&](const auto& grant) { return grant && grant->token == token; });
    if (same != before.end()) {
      grants_.push_back(std::exchange(*same, nullptr));
    } else {
      grants_.push_back(std::make_shared<Grant>(Grant{token, false}));
    }
  }
  for (const auto& gone : before) {
    if (gone) gone->revoked = true;
  }
}

std::shared_ptr<const Grant> TokenRing::find(std::string_view secret) const {
  const Sha256Digest offered = sha256(secret);
  std::shared_ptr<const Grant> found;
  for (const auto& grant : grants_) {
    if (access::same_digest(grant->token.digest, offered)) found = grant;
  }
  if (fixed_ && access::same_digest(fixed_->token.digest, offered)) found = fixed_;
  return found;
}

}  // namespace answermill::frontend
