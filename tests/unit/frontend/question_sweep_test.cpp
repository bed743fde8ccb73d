#include "frontend/server/api/question_sweep.h"

#include <gtest/gtest.h>

#include "frontend/server/api/question_service.h"
#include "shared/messages/codec.h"
#include "tests/unit/frontend/fakes.h"

namespace answermill::frontend {
namespace {

using namespace std::chrono_literals;

class QuestionSweepTest : public testing::Test {
 protected:
  // A question that an earlier process noted, and nothing more.
  std::string left_behind() {
    QuestionService before(*world_.services);
    std::string stream;
    Question question;
    question.question = "What?";
    question.documents = {"d1"};
    before.ask(
        question, [&](const Result<AnswerView>& started) { stream = started->stream; }, [](const Error&) {});
    world_.loop.run();
    submitted_ = world_.hub.asked.back();
    world_.hub.asked.clear();
    return stream;
  }
  void broker_is_up(std::uint64_t uptime_ms) {
    world_.bus.status.boot = 3;
    world_.bus.status.uptime_ms = uptime_ms;
  }
  void answer_replays(bool known) {
    for (const auto& [stream, done] : std::exchange(world_.bus.replays, {})) done({1, known, {}, 3});
    world_.loop.run();
  }

  test::World world_;
  messages::Submit submitted_;
};

TEST_F(QuestionSweepTest, SubmitsAgainWhatNobodyWorksOn) {
  const std::string stream = left_behind();
  QuestionSweep sweep(*world_.services);
  sweep.start();
  world_.loop.advance(4s);
  EXPECT_TRUE(world_.bus.replays.empty()) << "there is no broker yet";
  broker_is_up(1000);
  world_.loop.advance(3s);
  EXPECT_TRUE(world_.bus.replays.empty()) << "its workers may still tell";
  broker_is_up(6000);
  world_.loop.advance(1s);
  ASSERT_EQ(world_.bus.replays.size(), 1U);
  EXPECT_EQ(world_.bus.replays[0].first, stream);
  answer_replays(false);
  ASSERT_EQ(world_.hub.asked.size(), 1U);
  const auto& again = world_.hub.asked[0];
  EXPECT_EQ(messages::encode(again.job), messages::encode(submitted_.job));
  EXPECT_EQ(messages::encode(*again.stream), messages::encode(*submitted_.stream));
  EXPECT_TRUE(again.shown) << "somebody may have seen more";
}

TEST_F(QuestionSweepTest, LeavesAloneWhatTheBrokerKnowsAndWhatIsFresh) {
  QuestionSweep sweep(*world_.services);
  broker_is_up(6000);
  sweep.start();
  world_.loop.advance(2s);
  left_behind();
  world_.loop.advance(1s);
  EXPECT_TRUE(world_.bus.replays.empty());
  world_.loop.advance(3s);
  answer_replays(true);
  EXPECT_TRUE(world_.hub.asked.empty());
}

TEST_F(QuestionSweepTest, SettlesWhatNobodyWaitsForAnyMore) {
  const std::string stream = left_behind();
  broker_is_up(6000);
  QuestionSweep sweep(*world_.services);
  world_.loop.advance(2h);
  sweep.start();
  world_.loop.advance(3s);
  answer_replays(false);
  EXPECT_TRUE(world_.hub.asked.empty());
  EXPECT_EQ(world_.catalog->answer_of_stream(stream)->status, MessageStatus::kFailed);
}

}  // namespace
}  // namespace answermill::frontend
