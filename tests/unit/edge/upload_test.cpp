#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <future>
#include <mutex>
#include <string>

#include "tests/unit/edge/edge_fixture.h"

namespace answermill::frontend::test {
namespace {

using std::chrono::milliseconds;

struct Seen {
  std::atomic<std::size_t> bytes{0};
  std::atomic<std::size_t> largest{0};
  std::atomic<bool> aborted{false};
  std::atomic<bool> destroyed{false};
  std::function<void()> ready;  // of the piece that waits; used on the loop only
};

// Counts what comes in; asks for more at once unless `pause` is set.
class CountingSink final : public BodySink {
 public:
  CountingSink(Seen& seen, ResponderPtr responder, bool pause)
      : seen_(seen), responder_(std::move(responder)), pause_(pause) {}
  ~CountingSink() override { seen_.destroyed = true; }
  void on_data(std::string_view bytes, std::function<void()> ready) override {
    seen_.bytes += bytes.size();
    seen_.largest = std::max<std::size_t>(seen_.largest, bytes.size());
    if (pause_) {
      seen_.ready = std::move(ready);
    } else {
      ready();
    }
  }
  void on_end() override { responder_->send(202, "text/plain", std::to_string(seen_.bytes)); }
  void on_abort() override { seen_.aborted = true; }

 private:
  Seen& seen_;
  ResponderPtr responder_;
  bool pause_;
};

Routes counting(Seen& seen, bool pause = false) {
  return [&seen, pause](Router& router) {
    router.upload("POST", "/up", [&seen, pause](const Request&, ResponderPtr responder) {
      return std::make_unique<CountingSink>(seen, std::move(responder), pause);
    });
    router.upload("POST", "/refuse", [](const Request&, ResponderPtr responder) {
      responder->send(413, "text/plain", "too large for us");
      return nullptr;
    });
  };
}

std::string head(std::string_view path, std::string_view headers) {
  return "POST " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\n" + std::string(headers) + "\r\n";
}

TEST(EdgeUpload, StreamsALongBodyInPieces) {
  Seen seen;
  RunningEdge edge(counting(seen));
  Client client(edge.port());
  constexpr std::size_t kTotal = 100'000'000;
  client.send(head("/up", "Content-Length: " + std::to_string(kTotal) + "\r\n"));
  const std::string piece(1'000'000, 'u');
  for (std::size_t sent = 0; sent < kTotal; sent += piece.size()) client.send(piece);
  EXPECT_EQ(client.answer().body, std::to_string(kTotal));
  EXPECT_LE(seen.largest, 128u * 1024);
  client.send(head("/up", "Content-Length: 3\r\n") + "abc");  // the connection lives on
  EXPECT_EQ(client.answer().body, std::to_string(kTotal + 3));
}

TEST(EdgeUpload, TakesChunksAndAnEmptyBody) {
  Seen seen;
  RunningEdge edge(counting(seen));
  Client client(edge.port());
  client.send(head("/up", "Transfer-Encoding: chunked\r\n"));
  for (int i = 0; i < 100; ++i) client.send("3e8\r\n" + std::string(1000, 'c') + "\r\n");
  client.send("0\r\n\r\n");
  EXPECT_EQ(client.answer().body, "100000");
  client.send(head("/up", "Content-Length: 0\r\n"));
  EXPECT_EQ(client.answer().body, "100000");
}

TEST(EdgeUpload, NeedsALength) {
  Seen seen;
  RunningEdge edge(counting(seen));
  EXPECT_EQ(fetch(edge.port(), "POST", "/up").status, 411);
}

TEST(EdgeUpload, SaysContinueOnlyWhenItWantsTheBody) {
  Seen seen;
  RunningEdge edge(counting(seen));
  Client wanted(edge.port());
  wanted.send(head("/up", "Expect: 100-continue\r\nContent-Length: 4\r\n"));
  EXPECT_EQ(wanted.answer().status, 100);
  wanted.send("body");
  EXPECT_EQ(wanted.answer().status, 202);
  Client unwanted(edge.port());
  unwanted.send(head("/refuse", "Expect: 100-continue\r\nContent-Length: 4\r\n"));
  const auto answer = unwanted.answer();
  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(answer.headers.at("connection"), "close");
}

// The client writes all of its body before it reads, as many do: it must still find the answer.
TEST(EdgeUpload, ARefusalReachesAClientThatGoesOnSending) {
  Seen seen;
  RunningEdge edge(counting(seen));
  Client client(edge.port());
  client.send(head("/refuse", "Content-Length: 50000000\r\n"));
  const std::string piece(1'000'000, 'u');
  for (int i = 0; i < 50; ++i) client.send(piece);
  EXPECT_EQ(client.answer().body, "too large for us");
}

TEST(EdgeUpload, WaitsForItsSink) {
  Seen seen;
  RunningEdge edge(counting(seen, true));
  Client client(edge.port());
  constexpr std::size_t kTotal = 20'000'000;
  std::promise<std::string> answered;
  std::thread sender([&] {
    client.send(head("/up", "Content-Length: " + std::to_string(kTotal) + "\r\n"));
    client.send(std::string(kTotal, 'u'));
    answered.set_value(client.answer().body);
  });
  auto body = answered.get_future();
  std::size_t before = 0;
  while (body.wait_for(milliseconds(0)) != std::future_status::ready) {
    edge.run([&] {
      if (!seen.ready) return;
      EXPECT_LE(seen.bytes - before, 192u * 1024);  // nothing beyond the piece that waits
      before = seen.bytes;
      const auto ready = std::exchange(seen.ready, nullptr);
      ready();
      ready();  // twice is once
    });
  }
  sender.join();
  EXPECT_EQ(body.get(), std::to_string(kTotal));
}

TEST(EdgeUpload, TellsItsSinkWhenTheClientLeaves) {
  Seen seen;
  RunningEdge edge(counting(seen));
  Client client(edge.port());
  client.send(head("/up", "Content-Length: 100\r\n") + "some");
  while (seen.bytes == 0) std::this_thread::yield();
  client.close();
  while (!seen.destroyed) std::this_thread::yield();
  EXPECT_TRUE(seen.aborted);
}

TEST(EdgeUpload, EndsABodyThatStopsComing) {
  EdgeConfig config;
  config.limits.body_timeout = milliseconds(40);
  Seen seen;
  RunningEdge edge(counting(seen), config);
  Client client(edge.port());
  client.send(head("/up", "Content-Length: 100\r\n") + "some");
  EXPECT_EQ(client.answer().status, 408);
  EXPECT_TRUE(seen.aborted);
}

TEST(EdgeUpload, RefusesABrokenChunkAndTellsTheSink) {
  Seen seen;
  RunningEdge edge(counting(seen));
  Client client(edge.port());
  client.send(head("/up", "Transfer-Encoding: chunked\r\n") + "3\r\nabc\r\nxyz\r\n");
  EXPECT_EQ(client.answer().status, 400);
  EXPECT_TRUE(seen.aborted);
  Client endless(edge.port());
  endless.send(head("/up", "Transfer-Encoding: chunked\r\n") + "3;" + std::string(100'000, 'x'));
  EXPECT_EQ(endless.answer().status, 400);
}

// The sink answers in the middle of the body and goes away.
TEST(EdgeUpload, ASinkMayAnswerEarly) {
  class Early final : public BodySink {
   public:
    explicit Early(ResponderPtr responder) : responder_(std::move(responder)) {}
    void on_data(std::string_view, std::function<void()> ready) override {
      responder_->send(422, "text/plain", "enough");
      ready();
    }
    void on_end() override {}
    void on_abort() override {}

   private:
    ResponderPtr responder_;
  };
  RunningEdge edge([](Router& router) {
    router.upload("POST", "/up", [](const Request&, ResponderPtr responder) {
      return std::make_unique<Early>(std::move(responder));
    });
  });
  Client client(edge.port());
  client.send(head("/up", "Content-Length: 5000000\r\n"));
  client.send(std::string(5'000'000, 'x'));
  EXPECT_EQ(client.answer().body, "enough");
}

}  // namespace
}  // namespace answermill::frontend::test
