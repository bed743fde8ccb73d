#include "shared/bus/job_consumer.h"

#include <gtest/gtest.h>

#include <vector>

#include "shared/messages/codec.h"

namespace answermill::bus {
namespace {

using namespace messages;

class Consumer : public testing::Test, public ConsumerOutput {
 protected:
  Consumer()
      : consumer({"extract", 4, {}}, *this, mailbox,
                 [this](Job, std::shared_ptr<JobHandle> handle) { handles.push_back(std::move(handle)); },
                 {}) {
    consumer.on_relay_subscribed(now);
    consumer.on_work_frame(encode_frame(WorkKind::kWelcome, Welcome{1, 500, {}}), now);
  }

  void send_work(std::string frame) override { sent.push_back(std::move(frame)); }
  void publish(std::string_view, std::string) override {}

  void lease(const std::string& id, Durability durability, std::size_t payload = 0) {
    Lease lease;
    lease.spec.id = id;
    lease.spec.durability = durability;
    lease.spec.payload = std::string(payload, 'x');
    lease.attempt = 1;
    lease.fence = 7;
    consumer.on_work_frame(encode_frame(WorkKind::kLease, lease), now);
  }
  Outcome finish(Outcome outcome) {
    handles.back()->finish(std::move(outcome));
    mailbox.run_all();
    EXPECT_LE(sent.back().size(), kMaxMessageBytes);
    return last<JobResult>(WorkKind::kResult).outcome;
  }
  template <class Message>
  Message last(WorkKind kind) const {
    const auto frame = split_frame(sent.back());
    EXPECT_EQ(frame->kind, static_cast<std::uint8_t>(kind));
    return *decode<Message>(frame->body);
  }
  static JobSpec followup(std::size_t payload) {
    JobSpec job;
    job.stage = "embed";
    job.payload = std::string(payload, 'x');
    return job;
  }

  Mailbox mailbox;
  std::vector<std::string> sent;
  std::vector<std::shared_ptr<JobHandle>> handles;
  JobConsumer::Clock::time_point now{std::chrono::hours(1)};
  JobConsumer consumer;
};

TEST_F(Consumer, AResultThatFitsIsSentAsItIs) {
  lease("a", Durability::kStrict);
  Outcome outcome;
  for (int i = 0; i < 7; ++i) outcome.followups.push_back(followup(1U << 20U));
  outcome = finish(std::move(outcome));
  EXPECT_EQ(outcome.status, OutcomeStatus::kDone);
  EXPECT_EQ(outcome.followups.size(), 7U);
}

TEST_F(Consumer, AResultBeyondAMessageFailsAsTooLarge) {
  lease("a", Durability::kStrict);
  Outcome outcome;
  for (int i = 0; i < 8; ++i) outcome.followups.push_back(followup(1U << 20U));
  outcome = finish(std::move(outcome));
  EXPECT_EQ(outcome.status, OutcomeStatus::kFailed);
  EXPECT_EQ(outcome.code, ErrorCode::kTooLarge);
  EXPECT_FALSE(outcome.retryable);
  EXPECT_TRUE(outcome.followups.empty());
}

TEST_F(Consumer, AFollowUpThatNoLeaseCouldCarryFailsAsTooLarge) {
  lease("a", Durability::kStrict);
  Outcome outcome;
  outcome.followups.push_back(followup(kMaxMessageBytes / 2 + 1));
  EXPECT_EQ(finish(std::move(outcome)).code, ErrorCode::kTooLarge);
}

TEST_F(Consumer, AHelloFitsHoweverMuchIsHeld) {
  for (int i = 0; i < 4; ++i) lease("strict" + std::to_string(i), Durability::kStrict, 4U << 20U);
  lease("relaxed", Durability::kRelaxed, 1000);
  consumer.on_work_frame(encode_frame(WorkKind::kBeatReply, BeatReply{1, false, {}}), now);
  EXPECT_LE(sent.back().size(), kMaxMessageBytes);
  const auto hello = last<Hello>(WorkKind::kHello);
  ASSERT_EQ(hello.held.size(), 5U);
  for (const auto& held : hello.held) {
    const bool relaxed = held.spec.durability == Durability::kRelaxed;
    EXPECT_EQ(held.spec.payload.size(), relaxed ? 1000U : 0U) << "only the worker has a relaxed job for sure";
  }
}

}  // namespace
}  // namespace answermill::bus
