#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "tests/unit/edge/edge_fixture.h"

namespace answermill::frontend::test {
namespace {

using std::chrono::milliseconds;

Routes echo_routes() {
  return [](Router& router) { router.websocket("/ws", {"answermill.v1", "other"}, echo()); };
}

std::string close_payload(int code) { return {static_cast<char>(code >> 8), static_cast<char>(code & 0xFF)}; }

TEST(EdgeWebSocket, EchoesTextAndBinaryOfAllLengths) {
  RunningEdge edge(echo_routes());
  WsClient client(edge.port(), "/ws");
  EXPECT_EQ(client.handshake().status, 101);
  EXPECT_EQ(client.handshake().headers.at("sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  EXPECT_EQ(client.handshake().headers.count("sec-websocket-protocol"), 0u);
  for (const std::size_t size : {0u, 1u, 125u, 126u, 65535u, 65536u, 1048576u}) {
    const std::string message(size, 'm');
    client.send(2, message);
    const auto frame = client.read();
    EXPECT_EQ(frame.opcode, 2);
    EXPECT_EQ(frame.payload, message) << size;
  }
  client.send(1, "gr\xC3\xBC\xC3\x9F dich");
  EXPECT_EQ(client.read().payload, "gr\xC3\xBC\xC3\x9F dich");
}

TEST(EdgeWebSocket, JoinsFragmentsAndAnswersPingsBetweenThem) {
  RunningEdge edge(echo_routes());
  WsClient client(edge.port(), "/ws");
  client.send(1, "one ", false);
  client.send(9, "are you there?");
  client.send(0, "two ", false);
  client.send(0, "three", true);
  const auto pong = client.read();
  EXPECT_EQ(pong.opcode, 10);
  EXPECT_EQ(pong.payload, "are you there?");
  const auto message = client.read();
  EXPECT_EQ(message.opcode, 1);
  EXPECT_EQ(message.payload, "one two three");
}

TEST(EdgeWebSocket, AgreesOnASubprotocol) {
  RunningEdge edge(echo_routes());
  WsClient first(edge.port(), "/ws", "Sec-WebSocket-Protocol: unknown, other\r\n");
  EXPECT_EQ(first.handshake().headers.at("sec-websocket-protocol"), "other");
  WsClient none(edge.port(), "/ws", "Sec-WebSocket-Protocol: unknown\r\n");
  EXPECT_EQ(none.handshake().status, 101);
  EXPECT_EQ(none.handshake().headers.count("sec-websocket-protocol"), 0u);
}

TEST(EdgeWebSocket, RefusesBadHandshakes) {
  RunningEdge edge([](Router& router) {
    router.websocket("/ws", {}, echo());
    router.websocket("/no", {},
                     [](const Request&, std::shared_ptr<WebSocket>,
                        Refusal& refusal) -> std::unique_ptr<WebSocketSession> {
                       refusal = {400, "user_id is missing"};
                       return nullptr;
                     });
  });
  const auto refused = WsClient(edge.port(), "/no").handshake();
  EXPECT_EQ(refused.status, 400);
  EXPECT_NE(refused.body.find("user_id is missing"), std::string::npos);
  EXPECT_EQ(fetch(edge.port(), "GET", "/ws").status, 426);
  const auto old = fetch(edge.port(), "GET", "/ws", {},
                         "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 8\r\n");
  EXPECT_EQ(old.status, 426);
  EXPECT_EQ(old.headers.at("sec-websocket-version"), "13");
  EXPECT_EQ(fetch(edge.port(), "GET", "/ws", {},
                  "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n")
                .status,
            400);
}

TEST(EdgeWebSocket, ClosesFromEitherSide) {
  std::promise<std::uint16_t> theirs;
  std::promise<std::uint16_t> ours;
  RunningEdge edge([&](Router& router) {
    ScriptedSession remote;
    remote.close = [&](std::uint16_t code) { theirs.set_value(code); };
    router.websocket("/theirs", {}, scripted(remote));
    ScriptedSession local;
    local.text = [](WebSocket& socket, std::string_view) {
      socket.send_text("last words");
      socket.close(4001, "enough");
      socket.send_text("ignored");
    };
    local.close = [&](std::uint16_t code) { ours.set_value(code); };
    router.websocket("/ours", {}, scripted(local));
  });
  WsClient first(edge.port(), "/theirs");
  first.send(8, close_payload(3000) + "bye");
  EXPECT_EQ(first.read().close_code(), 3000);
  EXPECT_TRUE(first.client().at_end());
  EXPECT_EQ(theirs.get_future().get(), 3000);

  WsClient second(edge.port(), "/ours");
  second.send(1, "go");
  EXPECT_EQ(second.read().payload, "last words");
  const auto close = second.read();
  EXPECT_EQ(close.close_code(), 4001);
  EXPECT_EQ(close.payload.substr(2), "enough");
  second.send(8, close_payload(4001));
  EXPECT_TRUE(second.client().at_end());
  EXPECT_EQ(ours.get_future().get(), 4001);
}

TEST(EdgeWebSocket, ReportsALostClientAs1006) {
  std::promise<std::uint16_t> code;
  RunningEdge edge([&](Router& router) {
    ScriptedSession session;
    session.close = [&](std::uint16_t value) { code.set_value(value); };
    router.websocket("/ws", {}, scripted(session));
  });
  WsClient client(edge.port(), "/ws");
  client.client().close();
  EXPECT_EQ(code.get_future().get(), 1006);
}

TEST(EdgeWebSocket, NamesViolationsAndTheClientSeesThem) {
  RunningEdge edge(echo_routes());
  const std::vector<std::pair<std::string, int>> cases = {
      {std::string("\x81\x05hello", 7), 1002},                          // not masked
      {masked_frame(3, "x"), 1002},                                     // reserved opcode
      {std::string(1, '\xC1') + masked_frame(1, "x").substr(1), 1002},  // reserved bit
      {masked_frame(0, "x"), 1002},                                     // nothing to continue
      {masked_frame(9, std::string(126, 'x')), 1002},                   // long control frame
      {masked_frame(1, "\xFF\xFE"), 1007},                              // not UTF-8
      {masked_frame(1, std::string(1'048'577, 'x')), 1009},             // too large
      {masked_frame(1, std::string(700'000, 'x'), false) + masked_frame(0, std::string(700'000, 'x')), 1009},
      {masked_frame(8, close_payload(1005)), 1002},  // not a code to send
  };
  const std::string more = masked_frame(1, std::string(1'000'000, 'y'));
  for (const auto& [bytes, code] : cases) {
    WsClient client(edge.port(), "/ws");
    // Everything is sent before anything is read, and more after it: the answer must survive that.
    client.try_send_raw(bytes);
    client.try_send_raw(more);
    EXPECT_EQ(client.read().close_code(), code) << "case of " << bytes.size() << " bytes";
    client.client().half_close();
    EXPECT_TRUE(client.client().at_end());
  }
}

TEST(EdgeWebSocket, PingsASilentClientAndLetsADeadOneGo) {
  EdgeConfig config;
  config.limits.ping_interval = milliseconds(40);
  config.limits.pong_timeout = milliseconds(800);  // wide, for a busy machine
  std::promise<std::uint16_t> code;
  RunningEdge edge(
      [&](Router& router) {
        ScriptedSession session;
        session.close = [&](std::uint16_t value) { code.set_value(value); };
        router.websocket("/ws", {}, scripted(session));
      },
      config);
  WsClient client(edge.port(), "/ws");
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(client.read().opcode, 9);
    client.send(10, "");
  }
  EXPECT_EQ(client.read().opcode, 9);
  EXPECT_TRUE(client.client().at_end());
  EXPECT_EQ(code.get_future().get(), 1006);
}

TEST(EdgeWebSocket, DoesNotWaitForeverForTheOtherHalfOfAClose) {
  EdgeConfig config;
  config.limits.close_timeout = milliseconds(40);
  std::promise<std::uint16_t> code;
  RunningEdge edge(
      [&](Router& router) {
        ScriptedSession session;
        session.open = [](WebSocket& socket) { socket.close(1001, "away"); };
        session.close = [&](std::uint16_t value) { code.set_value(value); };
        router.websocket("/ws", {}, scripted(session));
      },
      config);
  WsClient client(edge.port(), "/ws");
  EXPECT_EQ(client.read().close_code(), 1001);
  EXPECT_TRUE(client.client().at_end());
  EXPECT_EQ(code.get_future().get(), 1006);
}

TEST(EdgeWebSocket, TakesFramesThatCameWithTheUpgrade) {
  RunningEdge edge(echo_routes());
  Client client(edge.port());
  client.send(
      "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" +
      masked_frame(1, "early"));
  EXPECT_EQ(client.answer().status, 101);
  EXPECT_EQ(client.read_exactly(7), std::string("\x81\x05") + "early");
}

// What a session queues in one turn leaves together, and on_drain tells when it has left.
TEST(EdgeWebSocket, DrainsAfterALongQueue) {
  std::atomic<int> drains{0};
  std::atomic<std::size_t> queued{0};
  RunningEdge edge([&](Router& router) {
    ScriptedSession session;
    session.open = [&](WebSocket& socket) {
      for (int i = 0; i < 1000; ++i) socket.send_text(std::string(10'000, 't'));
      queued = socket.pending_bytes();
    };
    session.drain = [&](WebSocket& socket) {
      if (++drains == 1) socket.send_text("end");
    };
    router.websocket("/ws", {}, scripted(session));
  });
  WsClient client(edge.port(), "/ws");
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(client.read().payload.size(), 10'000u);
  EXPECT_EQ(client.read().payload, "end");
  EXPECT_GT(queued, 10'000'000u);
  EXPECT_GE(drains, 1);
}

TEST(EdgeWebSocket, AReaderWithAClosedWindowDisturbsNobodyAndIsClosed) {
  EdgeConfig config;
  config.limits.stall_timeout = milliseconds(500);
  std::promise<std::uint16_t> code;
  RunningEdge edge(
      [&](Router& router) {
        router.websocket("/ws", {}, echo());
        ScriptedSession flood;
        flood.open = [](WebSocket& socket) {
          for (int i = 0; i < 100; ++i) socket.send_text(std::string(100'000, 'f'));
        };
        flood.close = [&](std::uint16_t value) { code.set_value(value); };
        router.websocket("/flood", {}, scripted(flood));
      },
      config);
  WsClient stuck(edge.port(), "/flood", {}, 4096);
  WsClient lively(edge.port(), "/ws");
  auto closed = code.get_future();
  int echoes = 0;
  while (closed.wait_for(milliseconds(0)) != std::future_status::ready) {
    lively.send(1, "still here");
    ASSERT_EQ(lively.read().payload, "still here");
    ++echoes;
  }
  EXPECT_EQ(closed.get(), 1006);
  EXPECT_GT(echoes, 0);
}

TEST(EdgeWebSocket, HandlesOutliveTheirConnection) {
  std::shared_ptr<WebSocket> kept;
  std::promise<void> closed;
  RunningEdge edge([&](Router& router) {
    router.websocket("/ws", {},
                     [&](const Request& request, std::shared_ptr<WebSocket> socket, Refusal& refusal) {
                       kept = socket;
                       ScriptedSession session;
                       session.close = [&](std::uint16_t) { closed.set_value(); };
                       return scripted(session)(request, std::move(socket), refusal);
                     });
  });
  WsClient client(edge.port(), "/ws?user=7");
  client.client().close();
  closed.get_future().wait();
  edge.run([&] {
    kept->send_text("nobody hears this");
    kept->close(1000, "");
    EXPECT_EQ(kept->pending_bytes(), 0u);
    EXPECT_EQ(kept->request().query_value("user").value_or(""), "7");
    kept.reset();
  });
}

TEST(EdgeWebSocket, ServesAThousandConnections) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < 2200) {
    limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 4096);
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < 2200) GTEST_SKIP() << "needs 2,200 file descriptors, may open " << limit.rlim_cur;
  }
  std::vector<std::shared_ptr<WebSocket>> all;
  RunningEdge edge([&](Router& router) {
    router.websocket("/ws", {},
                     [&](const Request& request, std::shared_ptr<WebSocket> socket, Refusal& refusal) {
                       all.push_back(socket);
                       return echo()(request, std::move(socket), refusal);
                     });
  });
  std::vector<std::unique_ptr<WsClient>> clients;
  for (int i = 0; i < 1000; ++i) clients.push_back(std::make_unique<WsClient>(edge.port(), "/ws"));
  edge.run([&] {
    EXPECT_EQ(edge.server().connections(), 1000u);
    for (int i = 0; i < 10; ++i) {
      for (const auto& socket : all) socket->send_text("event " + std::to_string(i));
    }
  });
  for (auto& client : clients) {
    for (int i = 0; i < 10; ++i) ASSERT_EQ(client->read().payload, "event " + std::to_string(i));
  }
  edge.run([&] { all.clear(); });
}

}  // namespace
}  // namespace answermill::frontend::test
