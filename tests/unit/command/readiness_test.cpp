#include "frontend/command/fleet/readiness.h"

#include <gtest/gtest.h>
#include <poll.h>

#include "tests/unit/command/fake_server.h"

namespace answermill::command {
namespace {

TEST(MissingStages, NamesThem) {
  EXPECT_EQ(missing_stages(R"({"ready":false,"stages":{"embed":0,"extract":2,"index":0}})"), "embed, index");
  EXPECT_EQ(missing_stages("not json"), "the frontend");
  EXPECT_EQ(missing_stages(R"({"stages":{"embed":1}})"), "the frontend");
}

TEST(Readiness, AsksUntilTheFleetIsReady) {
  FakeServer server([](const FakeRequest&, int number) {
    if (number < 3) return json_answer(503, R"({"ready":false,"stages":{"embed":0}})");
    return json_answer(200, R"({"ready":true})");
  });
  Mailbox mailbox;
  bool ready = false;
  std::string missing;
  const Readiness readiness(
      mailbox, server.url(), {std::chrono::milliseconds{1}, std::chrono::milliseconds{0}},
      [&] { ready = true; }, [&](const std::string& what) { missing = what; });
  while (!ready) {
    pollfd waiting{mailbox.fd(), POLLIN, 0};
    ASSERT_GT(::poll(&waiting, 1, 10'000), 0);
    mailbox.run_all();
  }
  EXPECT_EQ(missing, "embed");
  EXPECT_EQ(server.requests().size(), 4U);
}

}  // namespace
}  // namespace answermill::command
