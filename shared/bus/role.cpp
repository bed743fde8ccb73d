#include "shared/bus/role.h"

#include <cstdlib>

namespace answermill::bus {

std::string_view to_string(Role role) {
  switch (role) {
    case Role::kFrontend:
      return "frontend";
    case Role::kExtract:
      return "extract";
    case Role::kEmbed:
      return "embed";
    case Role::kIndex:
      return "index";
    case Role::kGenerate:
      return "generate";
    case Role::kOperator:
      return "operator";
  }
  std::abort();
}

std::optional<Role> role_from(std::string_view name) {
  for (const Role role : kAllRoles) {
    if (to_string(role) == name) return role;
  }
  return std::nullopt;
}

std::optional<Role> role_for_stage(std::string_view stage) {
  if (stage == "record") return Role::kFrontend;
  const auto role = role_from(stage);
  if (role == Role::kFrontend || role == Role::kOperator) return std::nullopt;
  return role;
}

RoleSet RoleSet::all() {
  RoleSet roles;
  for (const Role role : kAllRoles) roles.add(role);
  return roles;
}

Result<RoleSet> RoleSet::parse(std::string_view text) {
  RoleSet roles;
  while (!text.empty()) {
    const std::string_view name = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), name.size() + 1));
    if (name.empty()) continue;
    const auto role = role_from(name);
    if (!role) {
      return Error{ErrorCode::kInvalidArgument,
                   "'" + std::string(name) +
                       "' is no role: there are frontend, extract, embed, index, generate and operator"};
    }
    roles.add(*role);
  }
  if (roles.empty()) return Error{ErrorCode::kInvalidArgument, "a key needs at least one role"};
  return roles;
}

std::string RoleSet::text() const {
  std::string text;
  for (const Role role : kAllRoles) {
    if (!has(role)) continue;
    if (!text.empty()) text += ',';
    text += to_string(role);
  }
  return text;
}

}  // namespace answermill::bus
