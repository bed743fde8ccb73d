#include "shared/access/scope.h"

#include <algorithm>
#include <cstdlib>

namespace answermill::access {

std::string_view to_string(Scope scope) {
  switch (scope) {
    case Scope::kRead:
      return "read";
    case Scope::kAsk:
      return "ask";
    case Scope::kWrite:
      return "write";
    case Scope::kAdmin:
      return "admin";
  }
  std::abort();
}

std::optional<Scope> scope_from(std::string_view name) {
  for (const Scope scope : kAllScopes) {
    if (to_string(scope) == name) return scope;
  }
  return std::nullopt;
}

Result<ScopeSet> ScopeSet::parse(std::string_view text) {
  ScopeSet scopes;
  while (!text.empty()) {
    const std::string_view name = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), name.size() + 1));
    if (name.empty()) continue;
    const auto scope = scope_from(name);
    if (!scope) {
      return Error{ErrorCode::kInvalidArgument,
                   "'" + std::string(name) + "' is no scope: there are read, ask, write and admin"};
    }
    scopes.add(*scope);
  }
  if (scopes.empty()) return Error{ErrorCode::kInvalidArgument, "a token needs at least one scope"};
  return scopes;
}

std::string ScopeSet::text() const {
  std::string text;
  for (const Scope scope : kAllScopes) {
    if (!has(scope)) continue;
    if (!text.empty()) text += ',';
    text += to_string(scope);
  }
  return text;
}

}  // namespace answermill::access
