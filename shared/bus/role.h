// What a key of the bus may do: the stages it may work for, the frontend's side, or the operator's.
//
// A process of the broker's own host comes in over ipc, without a key: the private runtime folder has already
// decided that it may do everything. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "shared/base/result.h"

namespace answermill::bus {

enum class Role : std::uint8_t {
  kFrontend,  // submits jobs, reads events and streams, consumes `record`
  kExtract,
  kEmbed,
  kIndex,
  kGenerate,
  kOperator,  // asks: streams, status
};

inline constexpr std::array kAllRoles = {Role::kFrontend, Role::kExtract,  Role::kEmbed,
                                         Role::kIndex,    Role::kGenerate, Role::kOperator};

std::string_view to_string(Role role);
std::optional<Role> role_from(std::string_view name);
// The role that may consume a stage's jobs: frontends consume `record`, a worker its own stage.
std::optional<Role> role_for_stage(std::string_view stage);

class RoleSet {
 public:
  RoleSet() = default;
  explicit RoleSet(Role role) { add(role); }
  static RoleSet all();
  // "extract,embed". Errors: kInvalidArgument for an unknown name, or none at all.
  static Result<RoleSet> parse(std::string_view text);

  void add(Role role) { bits_ |= bit(role); }
  void add(RoleSet other) { bits_ |= other.bits_; }
  bool has(Role role) const { return (bits_ & bit(role)) != 0; }
  bool empty() const { return bits_ == 0; }
  std::string text() const;
  friend bool operator==(const RoleSet&, const RoleSet&) = default;

 private:
  static std::uint8_t bit(Role role) { return static_cast<std::uint8_t>(1U << static_cast<unsigned>(role)); }
  std::uint8_t bits_ = 0;
};

// Who sent a message.
struct Peer {
  std::string key;  // public key in Z85; empty: a process of this host
  RoleSet roles = RoleSet::all();

  bool may(Role role) const { return roles.has(role); }
  bool may_serve(std::string_view stage) const {
    if (key.empty()) return true;
    const auto role = role_for_stage(stage);
    return role && may(*role);
  }
};

}  // namespace answermill::bus
