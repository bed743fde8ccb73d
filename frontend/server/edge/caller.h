// Who makes a request: what he may do here and what he has used of us so far.
//
// Thread: the loop's. A caller is a handle; copies mean the same client. It may outlive the connection.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/server/edge/usage.h"
#include "shared/access/token_list.h"

namespace answermill::frontend {

// Why something is not done; status 0: nothing stands against it.
struct Refusal {
  int status = 0;
  std::string reason;
  std::string scope{};                      // of a 403: what the caller lacks
  std::chrono::milliseconds retry_after{};  // of a 429
  bool refused() const { return status != 0; }
};

// What something costs its caller beside one of his requests a minute.
enum class Use : std::uint8_t {
  kRequest,   // nothing more
  kAnswer,    // it stays open while an answer is told
  kQuestion,  // and asks a question
  kFree,      // not even the request
};

// What a caller needs for something.
struct Access {
  access::ScopeSet any_of;
  Use use = Use::kRequest;
  bool open = false;  // needs no token at all
};

inline constexpr Access kNeedsRead{{access::Scope::kRead}};
inline constexpr Access kNeedsWrite{{access::Scope::kWrite}};
inline constexpr Access kNeedsAdmin{{}};  // of kAdmin alone
inline constexpr Access kNeedsAnything{{access::Scope::kRead, access::Scope::kAsk, access::Scope::kWrite}};
inline constexpr Access kAsks{{access::Scope::kAsk}, Use::kQuestion};
inline constexpr Access kReadsAnswers{{access::Scope::kAsk}, Use::kAnswer};
inline constexpr Access kOpenToAll{{}, Use::kFree, true};

// A token as it is known now; `revoked` is set when it is no longer.
struct Grant {
  access::Token token;
  bool revoked = false;
};

// What all callers of one server share.
struct UsageBook {
  UsageLimits limits;
  UsageLedger ledger;
  RefusalCounts refused;
};

class Caller {
 public:
  using Clock = std::chrono::steady_clock;

  // The operator himself: everything, without limits.
  Caller() = default;
  // Without a grant: everything, for an address that needs no token. Without an account: without limits.
  Caller(std::shared_ptr<const Grant> grant, std::shared_ptr<Account> account,
         std::shared_ptr<UsageBook> book)
      : grant_(std::move(grant)), account_(std::move(account)), book_(std::move(book)) {}

  const std::shared_ptr<const Grant>& grant() const { return grant_; }
  bool revoked() const { return grant_ && grant_->revoked; }

  bool may(access::ScopeSet any_of) const { return !grant_ || grant_->token.scopes.allows_any_of(any_of); }
  bool reaches(std::string_view collection) const;
  // The only collections there are for him; empty: all.
  const std::vector<std::string>& collections() const;
  // The collection he means: the one named, or, for a caller of few who names none, his first.
  std::string collection_or_own(std::string named) const;

  // Counts one request (and question); 401, 403 or 429 when it is not to be done.
  Refusal use(const Access& access, Clock::time_point now) const;
  // A place for one more open answer, unless he has too many; a caller without limits has always one.
  std::optional<Seat> sit() const;
  // What `sit` did not give.
  Refusal too_many_answers() const;
  // A connection of his token; the same for a caller without one.
  std::optional<Seat> connect() const;

 private:
  std::shared_ptr<const Grant> grant_;
  std::shared_ptr<Account> account_;
  std::shared_ptr<UsageBook> book_;
};

}  // namespace answermill::frontend
