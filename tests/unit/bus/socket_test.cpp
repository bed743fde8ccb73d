#include "shared/bus/socket.h"

#include <gtest/gtest.h>

namespace answermill::bus {
namespace {

void wait_readable(Socket& socket) {
  Poller poller;
  poller.add(socket);
  poller.wait(std::chrono::seconds(10));
}

TEST(Parts, GoOnAsTheyCameAndLeaveRoomForTheNext) {
  Context context;
  Socket writer(context, Pattern::kPush);
  Socket in(context, Pattern::kPull);
  Socket out(context, Pattern::kPush);
  Socket reader(context, Pattern::kPull);
  ASSERT_TRUE(in.bind("inproc://in") && writer.connect("inproc://in"));
  ASSERT_TRUE(reader.bind("inproc://out") && out.connect("inproc://out"));
  std::vector<Part> parts;
  std::size_t count = 9;
  EXPECT_FALSE(in.receive(parts, count, nullptr));
  EXPECT_EQ(count, 0U);
  std::string user = "somebody";
  for (const std::size_t size : {5UL, 100UL, 100'000UL}) {
    const std::string body(size, 'b');
    ASSERT_EQ(writer.send({"topic", body}), SendStatus::kSent);
    wait_readable(in);
    ASSERT_TRUE(in.receive(parts, count, &user));
    EXPECT_EQ(user, "");  // within the host
    ASSERT_EQ(count, 2U);
    EXPECT_EQ(parts[0].bytes(), "topic");
    EXPECT_EQ(parts[1].bytes(), body);
    ASSERT_EQ(out.send_on(parts[0], parts[1]), SendStatus::kSent);
    EXPECT_EQ(parts[1].bytes(), "");
    wait_readable(reader);
    std::vector<std::string> frames;
    ASSERT_TRUE(reader.receive(frames));
    EXPECT_EQ(frames, (std::vector<std::string>{"topic", body}));
  }
  ASSERT_EQ(writer.send({"one", "two", "three"}), SendStatus::kSent);
  wait_readable(in);
  ASSERT_TRUE(in.receive(parts, count, nullptr));
  EXPECT_EQ(count, 3U);
  EXPECT_EQ(parts[2].bytes(), "three");
}

}  // namespace
}  // namespace answermill::bus
