#include "frontend/server/edge/usage.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "frontend/server/edge/caller.h"

namespace answermill::frontend {
namespace {

using namespace std::chrono_literals;
using Clock = RateBucket::Clock;

TEST(RateBucket, GivesAMinutesWorthAtOnceThenTheRate) {
  RateBucket bucket;
  Clock::time_point now{1h};
  for (int i = 0; i < 30; ++i) EXPECT_EQ(bucket.take(30, now), 0s) << i;
  EXPECT_EQ(bucket.take(30, now), 2s);
  EXPECT_EQ(bucket.take(30, now + 1s), 1s);
  EXPECT_EQ(bucket.take(30, now + 2s), 0s);
  EXPECT_EQ(bucket.take(30, now + 2s), 2s);
  EXPECT_FALSE(bucket.full(now + 60s));
  EXPECT_TRUE(bucket.full(now + 62s));
  EXPECT_EQ(RateBucket().take(0, now), 0s);
}

// Whatever the times of asking: in no window of a minute does more than twice the rate come through, and a
// client that waits as long as it was told is let through.
TEST(RateBucket, KeepsItsPromiseAtAnyTimes) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 50; ++round) {
    const std::uint32_t rate = 1 + random() % 500;
    RateBucket bucket;
    Clock::time_point now{1h};
    std::vector<Clock::time_point> taken;
    for (int i = 0; i < 2000; ++i) {
      now += std::chrono::milliseconds(random() % 200);
      const auto wait = bucket.take(rate, now);
      if (wait.count() == 0) {
        taken.push_back(now);
      } else if (random() % 8 == 0) {
        now += wait;
        EXPECT_EQ(bucket.take(rate, now), 0s);
        taken.push_back(now);
      }
    }
    for (std::size_t first = 0, last = 0; last < taken.size(); ++last) {
      while (taken[last] - taken[first] > 1min) ++first;
      ASSERT_LE(last - first + 1, 2U * rate + 1) << "rate " << rate;
    }
  }
}

TEST(UsageLedger, StaysBoundedUnderAMillionAddresses) {
  UsageLedger ledger;
  const Clock::time_point now{1h};
  const auto held = ledger.account("held", now);
  const Seat seat(held, &Account::connections);
  for (int i = 0; i < 1'000'000; ++i) ledger.account(std::to_string(i), now)->requests.take(60, now);
  EXPECT_LE(ledger.size(), UsageLedger::kCapacity + 1);
  EXPECT_EQ(ledger.account("held", now), held);
}

TEST(UsageLedger, ForgetsQuietClientsAndOnlyThose) {
  UsageLedger ledger;
  Clock::time_point now{1h};
  for (int i = 0; i < 100; ++i) ledger.account("quiet" + std::to_string(i), now)->requests.take(60, now);
  auto busy = ledger.account("busy", now);
  for (int i = 0; i < 60; ++i) busy->requests.take(60, now);
  busy.reset();
  now += 30s;
  EXPECT_GT(ledger.account("busy", now)->requests.take(1, now), 0s);
  for (int i = 0; i < 100; ++i) ledger.account("new", now);
  EXPECT_EQ(ledger.size(), 2U);
}

TEST(Seat, CountsWhileItLives) {
  const auto account = std::make_shared<Account>();
  {
    Seat one(account, &Account::open_answers);
    Seat two = std::move(one);
    const Seat three(account, &Account::open_answers);
    EXPECT_EQ(account->open_answers, 2U);
    two = Seat();
    EXPECT_EQ(account->open_answers, 1U);
  }
  EXPECT_EQ(account->open_answers, 0U);
}

TEST(AccountOfAddress, TakesANetworkOfIpv6AsOneClient) {
  EXPECT_EQ(account_of_address("203.0.113.9"), "address 203.0.113.9");
  EXPECT_EQ(account_of_address("2001:db8:1:2:3:4:5:6"), account_of_address("2001:db8:1:2::1"));
  EXPECT_NE(account_of_address("2001:db8:1:2::1"), account_of_address("2001:db8:1:3::1"));
}

class Callers : public ::testing::Test {
 protected:
  Caller caller(access::ScopeSet scopes, std::vector<std::string> collections = {}) {
    auto grant = std::make_shared<Grant>();
    grant->token = {"ci", scopes, std::move(collections), {}, {}};
    return {grant, account_, book_};
  }

  std::shared_ptr<UsageBook> book_ = std::make_shared<UsageBook>();
  std::shared_ptr<Account> account_ = std::make_shared<Account>();
  Clock::time_point now_{1h};
};

TEST_F(Callers, MayDoWhatTheirScopesSay) {
  const Caller reader = caller({access::Scope::kRead});
  EXPECT_FALSE(reader.use(kNeedsRead, now_).refused());
  EXPECT_FALSE(reader.use(kNeedsAnything, now_).refused());
  const Refusal refusal = reader.use(kNeedsWrite, now_);
  EXPECT_EQ(refusal.status, 403);
  EXPECT_EQ(refusal.scope, "write");
  EXPECT_EQ(reader.use(kNeedsAdmin, now_).scope, "admin");
  EXPECT_FALSE(caller({access::Scope::kAdmin}).use(kNeedsAdmin, now_).refused());
  EXPECT_FALSE(caller({access::Scope::kAdmin}).use(kAsks, now_).refused());
  EXPECT_FALSE(Caller().use(kNeedsAdmin, now_).refused());
  EXPECT_EQ(book_->refused.forbidden, 2U);
}

TEST_F(Callers, ReachOnlyTheirCollections) {
  const Caller one = caller({access::Scope::kRead}, {"law", "tax"});
  EXPECT_TRUE(one.reaches("tax"));
  EXPECT_FALSE(one.reaches("default"));
  EXPECT_EQ(one.collection_or_own(""), "law");
  EXPECT_EQ(one.collection_or_own("tax"), "tax");
  EXPECT_TRUE(caller({access::Scope::kRead}).reaches("default"));
  EXPECT_EQ(Caller().collection_or_own(""), "");
}

TEST_F(Callers, PayForRequestsAndQuestions) {
  book_->limits.requests_per_minute = 6;
  book_->limits.questions_per_minute = 2;
  const Caller asker = caller({access::Scope::kAsk});
  EXPECT_FALSE(asker.use(kAsks, now_).refused());
  EXPECT_FALSE(asker.use(kAsks, now_).refused());
  const Refusal question = asker.use(kAsks, now_);
  EXPECT_EQ(question.status, 429);
  EXPECT_EQ(question.retry_after, 30s);
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(asker.use(kReadsAnswers, now_).refused());
  const Refusal request = asker.use(kReadsAnswers, now_);
  EXPECT_EQ(request.retry_after, 10s);
  EXPECT_FALSE(asker.use(kOpenToAll, now_).refused());
  EXPECT_FALSE(asker.use(kReadsAnswers, now_ + 10s).refused());
  EXPECT_EQ(book_->refused.questions, 1U);
  EXPECT_EQ(book_->refused.requests, 1U);
}

TEST_F(Callers, HaveSoManySeats) {
  book_->limits.open_answers = 2;
  book_->limits.connections_per_token = 1;
  const Caller one = caller({access::Scope::kAsk});
  auto first = one.sit();
  auto second = one.sit();
  ASSERT_TRUE(first && second);
  EXPECT_FALSE(one.sit());
  first->leave();
  EXPECT_TRUE(one.sit());
  const auto connection = one.connect();
  EXPECT_TRUE(connection);
  EXPECT_FALSE(one.connect());
  EXPECT_TRUE(Caller().sit());
}

}  // namespace
}  // namespace answermill::frontend
