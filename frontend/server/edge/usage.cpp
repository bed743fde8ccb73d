#include "frontend/server/edge/usage.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>

namespace answermill::frontend {

Seat::Seat(std::shared_ptr<Account> account, std::uint32_t Account::*counter)
    : account_(std::move(account)), counter_(counter) {
  if (account_) ++(account_.get()->*counter_);
}

Seat& Seat::operator=(Seat&& other) noexcept {
  if (this == &other) return *this;
  leave();
  account_ = std::move(other.account_);
  counter_ = other.counter_;
  return *this;
}

void Seat::leave() {
  if (const auto account = std::move(account_)) --(account.get()->*counter_);
}

std::shared_ptr<Account> UsageLedger::account(std::string_view client, RateBucket::Clock::time_point now) {
  forget_some(now);
  if (const auto found = by_client_.find(client); found != by_client_.end()) {
    entries_.splice(entries_.end(), entries_, found->second);
    return found->second->account;
  }
  entries_.push_back({std::string(client), std::make_shared<Account>()});
  const Place place = std::prev(entries_.end());
  by_client_.emplace(place->client, place);
  return place->account;
}

// A few steps at every call keep up with whatever comes in, one entry at a time.
void UsageLedger::forget_some(RateBucket::Clock::time_point now) {
  constexpr int kSteps = 3;
  for (int step = 0; step < kSteps && !entries_.empty(); ++step) {
    const Place oldest = entries_.begin();
    const bool held = oldest->account.use_count() > 1;
    if (held) {
      entries_.splice(entries_.end(), entries_, oldest);  // it is not quiet after all
    } else if (oldest->account->idle(now) || entries_.size() >= capacity_) {
      by_client_.erase(oldest->client);
      entries_.pop_front();
    } else {
      return;
    }
  }
}

std::string account_of_address(std::string_view address) {
  constexpr std::size_t kNetworkBytes = 8;
  in6_addr v6{};
  if (inet_pton(AF_INET6, std::string(address).c_str(), &v6) != 1) return "address " + std::string(address);
  std::fill(std::begin(v6.s6_addr) + kNetworkBytes, std::end(v6.s6_addr), std::uint8_t{0});
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(AF_INET6, &v6, text.data(), text.size());
  return std::string("address ") + text.data() + "/64";
}

std::string account_of_token(std::string_view name) { return "token " + std::string(name); }

}  // namespace answermill::frontend
