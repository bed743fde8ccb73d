#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "frontend/server/edge/turn_buffer.h"
#include "tests/unit/edge/edge_fixture.h"

namespace answermill::frontend::test {
namespace {

TEST(TurnBuffer, LaysAMessageForManyOnce) {
  TurnBuffer buffer;
  const auto one = buffer.frame(true, "hello", 0);
  buffer.hold();
  EXPECT_EQ(buffer.view(one), "\x81\x05hello");
  EXPECT_EQ(buffer.frame(true, "hello", 0).offset, one.offset);
  EXPECT_NE(buffer.frame(false, "hello", 0).offset, one.offset);
}

TEST(TurnBuffer, LaysItAgainForWhoeverHasIt) {
  TurnBuffer buffer;
  const auto one = buffer.frame(true, "again", 0);
  buffer.hold();
  const auto two = buffer.frame(true, "again", one.end());
  EXPECT_EQ(two.offset, one.end());
  EXPECT_EQ(buffer.view({one.offset, one.size + two.size}),
            "\x81\x05"
            "again\x81\x05"
            "again");
  // The next one has the first too, and finds the second behind it.
  EXPECT_EQ(buffer.frame(true, "again", one.end()).offset, two.offset);
}

TEST(TurnBuffer, TellsFramesApartThatLookAlike) {
  TurnBuffer buffer;
  (void)buffer.frame(true, "abc", 0);
  buffer.hold();
  const auto other = buffer.frame(true, "abd", 0);
  EXPECT_EQ(buffer.view(other).substr(2), "abd");
  const auto empty = buffer.frame(true, "", 0);
  EXPECT_EQ(buffer.view(empty), std::string("\x81\0", 2));
}

TEST(TurnBuffer, TakesNoMoreThanItMay) {
  TurnBuffer buffer(100);
  EXPECT_EQ(buffer.frame(true, std::string(95, 'x'), 0).size, 0u);
  EXPECT_GT(buffer.frame(true, std::string(60, 'x'), 0).size, 0u);
  EXPECT_GT(buffer.frame(true, std::string(61, 'y'), 0).size, 0u);  // nobody holds the other
  buffer.hold();
  EXPECT_EQ(buffer.frame(true, std::string(62, 'z'), 0).size, 0u);
  buffer.clear();
  EXPECT_GT(buffer.frame(true, std::string(62, 'z'), 0).size, 0u);
}

// Many sockets, several turns, messages for one, for some and for all, short ones and long ones: everybody
// hears his own in their order, those who listen late as well.
TEST(FanOut, KeepsEverybodysOrder) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::minstd_rand random(seed);
  constexpr std::size_t kClients = 12;
  std::vector<std::shared_ptr<WebSocket>> sockets;
  RunningEdge edge([&](Router& router) {
    router.websocket("/ws", {},
                     [&](const Request& request, std::shared_ptr<WebSocket> socket, Refusal& refusal) {
                       sockets.push_back(socket);
                       return scripted({})(request, std::move(socket), refusal);
                     });
  });
  std::vector<std::unique_ptr<WsClient>> clients;
  // A small receive buffer: its queue fills while it does not read.
  for (std::size_t i = 0; i < kClients; ++i)
    clients.push_back(std::make_unique<WsClient>(edge.port(), "/ws", "", i == 0 ? 4096 : 0));
  std::vector<std::vector<std::string>> said(kClients);
  const auto one_turn = [&](std::size_t messages, std::size_t most) {
    for (std::size_t i = 0; i < messages; ++i) {
      const std::string text(1 + random() % most, static_cast<char>('a' + random() % 3));
      const std::size_t first = random() % kClients;
      const std::size_t last = random() % 2 == 0 ? kClients - 1 : first;
      for (std::size_t to = first; to <= last; ++to) {
        sockets[to]->send_text(text);
        said[to].push_back(text);
      }
    }
  };
  for (int turn = 0; turn < 60; ++turn) {
    const std::size_t most = turn % 10 == 9 ? 70'000 : 300;
    edge.run([&] { one_turn(1 + random() % (turn % 3 == 0 ? 1 : 20), most); });
  }
  for (std::size_t i = 0; i < kClients; ++i) {
    for (const auto& text : said[i]) ASSERT_EQ(clients[i]->read().payload, text) << "client " << i;
  }
  edge.run([&] { sockets.clear(); });
}

// Only who saw that something is pending is told when it has gone.
TEST(FanOut, DrainsForThoseWhoAsked) {
  std::atomic<int> drains{0};
  std::shared_ptr<WebSocket> socket;
  RunningEdge edge([&](Router& router) {
    ScriptedSession session;
    session.drain = [&](WebSocket& self) {
      ++drains;
      self.send_text("drained");
    };
    router.websocket("/ws", {},
                     [&, handler = scripted(session)](const Request& request, std::shared_ptr<WebSocket> made,
                                                      Refusal& refusal) {
                       socket = made;
                       return handler(request, std::move(made), refusal);
                     });
  });
  WsClient client(edge.port(), "/ws");
  edge.run([&] {
    for (int i = 0; i < 3; ++i) socket->send_text("quiet");
  });
  edge.run([&] {
    for (int i = 0; i < 3; ++i) socket->send_text("loud");
    EXPECT_GT(socket->pending_bytes(), 0u);
  });
  for (int i = 0; i < 3; ++i) EXPECT_EQ(client.read().payload, "quiet");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(client.read().payload, "loud");
  EXPECT_EQ(client.read().payload, "drained");
  EXPECT_EQ(drains, 1);
  edge.run([&] { socket.reset(); });
}

}  // namespace
}  // namespace answermill::frontend::test
