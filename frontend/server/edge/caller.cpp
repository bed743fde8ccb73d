#include "frontend/server/edge/caller.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace answermill::frontend {
namespace {

Refusal too_often(std::string_view what, std::uint32_t per_minute, Caller::Clock::duration wait) {
  const auto whole = std::chrono::ceil<std::chrono::milliseconds>(wait);
  return {429,
          fmt::format("More than {} {} a minute: try again in {} s.", per_minute, what,
                      std::chrono::ceil<std::chrono::seconds>(wait).count()),
          {},
          whole};
}

std::string names(access::ScopeSet scopes) {
  return scopes.empty() ? std::string(to_string(access::Scope::kAdmin)) : scopes.text();
}

}  // namespace

bool Caller::reaches(std::string_view collection) const {
  const auto& own = collections();
  return own.empty() || std::find(own.begin(), own.end(), collection) != own.end();
}

const std::vector<std::string>& Caller::collections() const {
  static const std::vector<std::string> kAll;
  return grant_ ? grant_->token.collections : kAll;
}

std::string Caller::collection_or_own(std::string named) const {
  return named.empty() && !collections().empty() ? collections().front() : std::move(named);
}

Refusal Caller::use(const Access& access, Clock::time_point now) const {
  if (revoked()) return {401, "The access token was revoked."};
  if (!access.open && !may(access.any_of)) {
    if (book_) ++book_->refused.forbidden;
    const std::string needed = names(access.any_of);
    return {403,
            fmt::format("The access token \"{}\" may not do that: it needs {} {}.", grant_->token.name,
                        needed.find(',') == std::string::npos ? "the scope" : "one of the scopes", needed),
            needed};
  }
  if (!account_ || access.use == Use::kFree) return {};
  const UsageLimits& limits = book_->limits;
  if (const auto wait = account_->requests.take(limits.requests_per_minute, now); wait.count() > 0) {
    ++book_->refused.requests;
    return too_often("requests", limits.requests_per_minute, wait);
  }
  if (access.use != Use::kQuestion) return {};
  if (const auto wait = account_->questions.take(limits.questions_per_minute, now); wait.count() > 0) {
    ++book_->refused.questions;
    return too_often("questions", limits.questions_per_minute, wait);
  }
  return {};
}

std::optional<Seat> Caller::sit() const {
  if (!account_) return Seat();
  const std::uint32_t limit = book_->limits.open_answers;
  if (limit != 0 && account_->open_answers >= limit) {
    ++book_->refused.open_answers;
    return std::nullopt;
  }
  return Seat(account_, &Account::open_answers);
}

Refusal Caller::too_many_answers() const {
  constexpr std::chrono::seconds kSoon{2};
  const std::uint32_t limit = book_ ? book_->limits.open_answers : 0;
  return {429, fmt::format("More than {} answers are open at once: let one end first.", limit), {}, kSoon};
}

std::optional<Seat> Caller::connect() const {
  if (!account_ || !grant_) return Seat();
  const std::uint32_t limit = book_->limits.connections_per_token;
  if (limit != 0 && account_->connections >= limit) {
    ++book_->refused.connections;
    return std::nullopt;
  }
  return Seat(account_, &Account::connections);
}

}  // namespace answermill::frontend
