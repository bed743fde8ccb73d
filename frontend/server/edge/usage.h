// How much of us each client uses at this moment: connections, open answers, requests and questions a minute.
//
// A client is a token, or, without one, an address. Memory is bounded: an account nobody holds is forgotten
// when its buckets are full again, and, before there are more than `capacity`, the one that was quiet the
// longest even earlier (which forgives that client, not more). Accounts in use are as many as the connections
// and answers that are open, which have bounds of their own.
//
// Thread: one. Time is given. Owns its accounts together with those who hold them.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "frontend/server/edge/rate_bucket.h"

namespace answermill::frontend {

// 0 is no limit.
struct UsageLimits {
  std::uint32_t connections_per_address = 1000;
  std::uint32_t connections_per_token = 1000;
  std::uint32_t requests_per_minute = 1200;
  std::uint32_t questions_per_minute = 120;
  std::uint32_t open_answers = 256;
};

// What was refused since the start.
struct RefusalCounts {
  std::uint64_t unauthorized = 0;
  std::uint64_t forbidden = 0;
  std::uint64_t connections = 0;
  std::uint64_t requests = 0;
  std::uint64_t questions = 0;
  std::uint64_t open_answers = 0;
  std::uint64_t slow_requests = 0;  // headers and bodies that did not come in time
  std::uint64_t slow_uploads = 0;
  std::uint64_t idle = 0;
};

class Account;

// One of a client's connections or open answers, for as long as this lives.
class Seat {
 public:
  Seat() = default;
  Seat(std::shared_ptr<Account> account, std::uint32_t Account::*counter);
  ~Seat() { leave(); }
  Seat(Seat&& other) noexcept : account_(std::move(other.account_)), counter_(other.counter_) {}
  Seat& operator=(Seat&& other) noexcept;
  Seat(const Seat&) = delete;
  Seat& operator=(const Seat&) = delete;

  void leave();

 private:
  std::shared_ptr<Account> account_;
  std::uint32_t Account::*counter_ = nullptr;
};

// One client's use.
class Account {
 public:
  RateBucket requests;
  RateBucket questions;
  std::uint32_t connections = 0;
  std::uint32_t open_answers = 0;

  bool idle(RateBucket::Clock::time_point now) const {
    return connections == 0 && open_answers == 0 && requests.full(now) && questions.full(now);
  }
};

class UsageLedger {
 public:
  static constexpr std::size_t kCapacity = 32'768;

  explicit UsageLedger(std::size_t capacity = kCapacity) : capacity_(capacity) {}

  // The account of this name, made when there is none.
  std::shared_ptr<Account> account(std::string_view client, RateBucket::Clock::time_point now);

  std::size_t size() const { return by_client_.size(); }

 private:
  struct Entry {
    std::string client;
    std::shared_ptr<Account> account;
  };
  using Place = std::list<Entry>::iterator;

  void forget_some(RateBucket::Clock::time_point now);

  std::size_t capacity_;
  std::list<Entry> entries_;                               // the one that was quiet the longest first
  std::unordered_map<std::string_view, Place> by_client_;  // keys point into the entries
};

// Where the address of a client leads to one account: IPv4 by address, IPv6 by the /64 that one customer
// gets.
std::string account_of_address(std::string_view address);
std::string account_of_token(std::string_view name);

}  // namespace answermill::frontend
