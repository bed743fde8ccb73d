// How a server takes leave of many: not of all at once, and not for longer than it was given.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/unit/edge/edge_fixture.h"

namespace answermill::frontend::test {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

void routes(Router& router) {
  router.websocket("/ws", {}, echo());
  router.route("GET", "/events", [](Request, const ResponderPtr& responder) {
    auto stream = responder->stream(200, "text/event-stream");
    stream->write("data: here\n\n");
    stream->on_close = [stream]() mutable { stream.reset(); };
  });
}

milliseconds since(Clock::time_point began) {
  return std::chrono::duration_cast<milliseconds>(Clock::now() - began);
}

TEST(EdgeDrain, SpreadsGoodbyesOverItsWindow) {
  constexpr int kClients = 150;  // 300 ms at 2 ms each
  RunningEdge edge(routes);
  std::vector<std::unique_ptr<WsClient>> sockets;
  std::vector<std::unique_ptr<Client>> streams;
  for (int i = 0; i < kClients; ++i) {
    if (i % 3 > 0) {
      sockets.push_back(std::make_unique<WsClient>(edge.port(), "/ws"));
      continue;
    }
    streams.push_back(std::make_unique<Client>(edge.port()));
    streams.back()->send("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_NE(streams.back()->read_until("here\n\n"), "");
  }
  const auto began = Clock::now();
  std::vector<milliseconds> ends(kClients);
  std::vector<std::thread> readers;
  std::promise<void> done;
  edge.run([&] { edge.server().stop([&] { done.set_value(); }); });
  for (auto& socket : sockets) {
    readers.emplace_back([&, at = &ends[readers.size()]] {
      EXPECT_EQ(socket->read().close_code(), 1012);
      *at = since(began);
      socket->send(8, std::string("\x03\xF4", 2));
      socket->client().at_end();
      socket->client().close();
    });
  }
  for (auto& stream : streams) {
    readers.emplace_back([&, at = &ends[readers.size()]] {
      EXPECT_EQ(stream->read_until("0\r\n\r\n"), "") << "cut off, so that the client comes back";
      *at = since(began);
      stream->close();
    });
  }
  for (auto& reader : readers) reader.join();
  EXPECT_EQ(done.get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready);
  std::sort(ends.begin(), ends.end());
  EXPECT_GT(ends[kClients * 3 / 4] - ends[kClients / 4], milliseconds(75)) << "half of them, evenly: 150 ms";
}

TEST(EdgeDrain, ServesUntilTheGoodbye) {
  EdgeConfig config;
  config.limits.drain_window = milliseconds(2'000);
  RunningEdge edge(routes, config);
  std::vector<std::unique_ptr<WsClient>> sockets;
  for (int i = 0; i < 100; ++i) sockets.push_back(std::make_unique<WsClient>(edge.port(), "/ws"));
  edge.run([&] { edge.server().stop(); });
  int answered = 0;
  for (auto& socket : sockets) {
    socket->client().try_send(masked_frame(1, "still there?"));
    const Frame frame = socket->read();
    if (frame.opcode == 1) ++answered;
    EXPECT_TRUE(frame.payload == "still there?" || frame.close_code() == 1012);
  }
  EXPECT_GT(answered, 0);
}

TEST(EdgeDrain, KeepsAFewClientsWaitingForNothing) {
  EdgeConfig config;
  config.limits.drain_window = std::chrono::minutes(10);
  RunningEdge edge(routes, config);
  WsClient socket(edge.port(), "/ws");
  Client idle(edge.port());
  const auto began = Clock::now();
  edge.run([&] { edge.server().stop(); });
  EXPECT_TRUE(idle.at_end());
  EXPECT_EQ(socket.read().close_code(), 1012);
  EXPECT_LT(since(began), std::chrono::seconds(5));
}

}  // namespace
}  // namespace answermill::frontend::test
