#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <string>

#include "tests/unit/edge/edge_fixture.h"

namespace answermill::frontend::test {
namespace {

using std::chrono::milliseconds;

std::string get(std::string_view path, std::string_view version = "1.1") {
  return "GET " + std::string(path) + " HTTP/" + std::string(version) + "\r\nHost: localhost\r\n\r\n";
}

TEST(EdgeStream, SendsChunksAndKeepsTheConnection) {
  RunningEdge edge([](Router& router) {
    router.route("GET", "/s", [](Request, ResponderPtr responder) {
      auto stream = responder->stream(200, "text/event-stream");
      stream->write("data: 1\n\n");
      stream->write("");
      stream->write("data: 2\n\n");
      stream->end();
    });
  });
  Client client(edge.port());
  for (int i = 0; i < 2; ++i) {
    client.send(get("/s"));
    const auto answer = client.answer();
    EXPECT_EQ(answer.headers.at("transfer-encoding"), "chunked");
    EXPECT_EQ(answer.body, "data: 1\n\ndata: 2\n\n");
  }
  client.send(get("/s", "1.0"));
  const auto old = client.answer();
  EXPECT_EQ(old.headers.count("transfer-encoding"), 0u);
  EXPECT_EQ(client.read_exactly(18), "data: 1\n\ndata: 2\n\n");
  EXPECT_TRUE(client.at_end());
}

TEST(EdgeStream, TellsTheHandlerWhenTheClientLeaves) {
  std::promise<void> closed;
  std::shared_ptr<BodyStream> kept;
  RunningEdge edge([&](Router& router) {
    router.route("GET", "/s", [&](Request, ResponderPtr responder) {
      kept = responder->stream(200, "text/event-stream");
      kept->on_close = [&] { closed.set_value(); };
      kept->write("data: hello\n\n");
    });
  });
  Client client(edge.port());
  client.send(get("/s"));
  EXPECT_NE(client.read_until("hello"), "");
  client.close();
  EXPECT_EQ(closed.get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready);
  edge.run([&] {
    EXPECT_TRUE(kept->closed());
    kept->write("late");  // harmless
    kept->end();
    kept.reset();
  });
}

TEST(EdgeStream, IsClosedFromTheStartForHead) {
  std::promise<void> closed;
  RunningEdge edge([&](Router& router) {
    router.route("GET", "/s", [&](Request, ResponderPtr responder) {
      auto stream = responder->stream(200, "text/event-stream");
      EXPECT_TRUE(stream->closed());
      stream->on_close = [&closed, stream] { closed.set_value(); };
      stream->write("data: nobody\n\n");
    });
  });
  const auto answer = fetch(edge.port(), "HEAD", "/s");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.headers.at("content-type"), "text/event-stream");
  EXPECT_EQ(closed.get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready);
}

TEST(EdgeStream, CutsABodyThatItsHandlerDropped) {
  RunningEdge edge([](Router& router) {
    router.route("GET", "/s", [](Request, ResponderPtr responder) {
      responder->stream(200, "text/plain")->write("begun");
    });
  });
  Client client(edge.port());
  client.send(get("/s"));
  EXPECT_EQ(client.answer().status, 0);
}

// 64 MB through a queue that its handler keeps below 256 KB.
TEST(EdgeStream, PacesAHandlerThatWaitsForDrain) {
  constexpr std::size_t kTotal = 64u * 1024 * 1024;
  constexpr std::size_t kPiece = 64u * 1024;
  std::atomic<std::size_t> most{0};
  RunningEdge edge([&](Router& router) {
    router.route("GET", "/s", [&](Request, ResponderPtr responder) {
      auto stream =
          responder->stream(200, "application/octet-stream", {{"Content-Length", std::to_string(kTotal)}});
      auto left = std::make_shared<std::size_t>(kTotal);
      const auto fill = [stream, left, &most] {
        while (*left > 0 && stream->pending_bytes() < 256 * 1024) {
          stream->write(std::string(kPiece, 'z'));
          *left -= kPiece;
          most = std::max<std::size_t>(most, stream->pending_bytes());
        }
        if (*left == 0) stream->end();
      };
      stream->on_drain = fill;
      fill();
    });
  });
  EXPECT_EQ(fetch(edge.port(), "GET", "/s").body.size(), kTotal);
  EXPECT_LE(most, 256u * 1024 + kPiece + 1024);
}

TEST(EdgeStream, ClosesAReaderThatMakesNoProgressAndLeavesOthersAlone) {
  EdgeConfig config;
  config.limits.stall_timeout = milliseconds(100);
  std::promise<void> closed;
  RunningEdge edge(
      [&](Router& router) {
        router.route("GET", "/big", [&](Request, ResponderPtr responder) {
          auto stream = responder->stream(200, "text/plain");
          stream->on_close = [&closed, stream] { closed.set_value(); };
          stream->write(std::string(8'000'000, 'x'));
        });
        router.route("GET", "/small",
                     [](Request, ResponderPtr responder) { responder->send(200, "text/plain", "quick"); });
      },
      config);
  Client stuck(edge.port(), 4096);
  stuck.send(get("/big"));
  auto gone = closed.get_future();
  while (gone.wait_for(milliseconds(0)) != std::future_status::ready) {
    ASSERT_EQ(fetch(edge.port(), "GET", "/small").body, "quick");
  }
}

TEST(EdgeStream, CutsAHandlerThatQueuesWithoutBound) {
  EdgeConfig config;
  config.limits.queue_bytes = 1'000'000;
  std::promise<void> closed;
  RunningEdge edge(
      [&](Router& router) {
        router.route("GET", "/s", [&](Request, ResponderPtr responder) {
          auto stream = responder->stream(200, "text/plain");
          stream->on_close = [&closed, stream] { closed.set_value(); };
          for (int i = 0; i < 100; ++i) stream->write(std::string(100'000, 'x'));
        });
      },
      config);
  Client client(edge.port());
  client.send(get("/s"));
  EXPECT_EQ(closed.get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready);
}

TEST(EdgeStop, FinishesAnswersAndEndsTheRest) {
  ResponderPtr waiting;
  std::promise<void> arrived;
  RunningEdge edge([&](Router& router) {
    router.route("GET", "/later", [&](Request, ResponderPtr responder) {
      waiting = std::move(responder);
      arrived.set_value();
    });
    router.route("GET", "/s", [](Request, ResponderPtr responder) {
      auto stream = responder->stream(200, "text/event-stream");
      stream->on_close = [stream] {};
      stream->write("data: x\n\n");
    });
    router.websocket("/ws", {}, echo());
  });
  Client idle(edge.port());
  idle.send("GET /none HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(idle.answer().status, 404);
  Client streaming(edge.port());
  streaming.send(get("/s"));
  EXPECT_NE(streaming.read_until("data: x\n\n\r\n"), "");
  WsClient socket(edge.port(), "/ws");
  Client busy(edge.port());
  busy.send(get("/later"));
  arrived.get_future().wait();

  std::promise<void> done;
  edge.run([&] { edge.server().stop([&] { done.set_value(); }); });
  EXPECT_TRUE(idle.at_end());
  EXPECT_TRUE(streaming.at_end());
  EXPECT_EQ(socket.read().close_code(), 1012);
  socket.send(8, std::string("\x03\xf4", 2));
  edge.run([&] { waiting->send(200, "text/plain", "still answered"); });
  const auto answer = busy.answer();
  EXPECT_EQ(answer.body, "still answered");
  EXPECT_EQ(answer.headers.at("connection"), "close");
  EXPECT_THROW(Client refused(edge.port()), std::runtime_error);
  idle.close();
  streaming.close();
  socket.client().close();
  busy.close();
  EXPECT_EQ(done.get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready);
}

}  // namespace
}  // namespace answermill::frontend::test
