#include "frontend/grpc/gate.h"

#include <algorithm>
#include <cctype>
#include <utility>

namespace answermill::grpc_bridge {
namespace {

constexpr std::string_view kBearer = "bearer ";

// Empty when it is no bearer token.
std::string_view secret_of(std::string_view offered) {
  if (offered.size() <= kBearer.size()) return {};
  const bool bearer =
      std::equal(kBearer.begin(), kBearer.end(), offered.begin(),
                 [](char a, unsigned char b) { return a == static_cast<char>(std::tolower(b)); });
  return bearer ? offered.substr(kBearer.size()) : std::string_view();
}

}  // namespace

Gate::Gate(std::string token, const std::string& tokens_file) : token_(std::move(token)) {
  if (!tokens_file.empty()) file_.emplace(tokens_file);
}

Status Gate::refresh() {
  if (!file_) return {};
  auto read = file_->refresh();
  if (!read) return read.error();
  if (!*read) return {};
  auto list = std::make_shared<const access::TokenList>(std::move(**read));
  const std::lock_guard lock(mutex_);
  list_ = std::move(list);
  return {};
}

bool Gate::has_tokens() const {
  const std::lock_guard lock(mutex_);
  return !token_.empty() || list_ != nullptr;
}

std::optional<std::string> Gate::admit(std::string_view offered) const {
  std::shared_ptr<const access::TokenList> list;
  {
    const std::lock_guard lock(mutex_);
    list = list_;
  }
  const std::string_view secret = secret_of(offered);
  const bool known_here = !token_.empty() && access::same_digest(sha256(token_), sha256(secret));
  const bool listed = list && list->by_secret(secret) != nullptr;
  const bool open = token_.empty() && list == nullptr;
  if (!known_here && !listed && !open) return std::nullopt;
  return secret.empty() ? std::string() : "Bearer " + std::string(secret);
}

}  // namespace answermill::grpc_bridge
