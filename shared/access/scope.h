// What the holder of an access token may do. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "shared/base/result.h"

namespace answermill::access {

enum class Scope : std::uint8_t {
  kRead,   // search, look at documents and their pages
  kAsk,    // ask questions, follow answers, read conversations
  kWrite,  // upload, delete
  kAdmin,  // the status of the fleet, and everything above
};

inline constexpr std::array kAllScopes = {Scope::kRead, Scope::kAsk, Scope::kWrite, Scope::kAdmin};

std::string_view to_string(Scope scope);
std::optional<Scope> scope_from(std::string_view name);

class ScopeSet {
 public:
  constexpr ScopeSet() = default;
  constexpr ScopeSet(std::initializer_list<Scope> scopes) {
    for (const Scope scope : scopes) bits_ |= bit(scope);
  }
  // "read,ask". Errors: kInvalidArgument for an unknown name, or none at all.
  static Result<ScopeSet> parse(std::string_view text);

  void add(Scope scope) { bits_ |= bit(scope); }
  bool has(Scope scope) const { return (bits_ & bit(scope)) != 0; }
  bool empty() const { return bits_ == 0; }
  // One of `needed` is here, or kAdmin, which stands for all.
  bool allows_any_of(ScopeSet needed) const { return has(Scope::kAdmin) || (bits_ & needed.bits_) != 0; }
  std::string text() const;
  friend bool operator==(const ScopeSet&, const ScopeSet&) = default;

 private:
  static constexpr std::uint8_t bit(Scope scope) {
    return static_cast<std::uint8_t>(1U << static_cast<unsigned>(scope));
  }
  std::uint8_t bits_ = 0;
};

}  // namespace answermill::access
