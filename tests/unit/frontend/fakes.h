// In-memory stand-ins for everything the API stands on; time and turns of the loop are in the test's hands.
#pragma once

#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "frontend/server/api/services.h"
#include "frontend/server/edge/http.h"
#include "shared/base/ids.h"

namespace answermill::frontend::test {

class FakeLoop final : public Loop {
 public:
  void post(std::function<void()> task) override { posted_.push_back(std::move(task)); }
  std::unique_ptr<Timer> after(std::chrono::milliseconds delay, std::function<void()> task) override {
    const auto id = next_++;
    timers_[id] = {now_ + delay, std::move(task)};
    struct Handle final : Timer {
      Handle(FakeLoop& owner, int number) : loop(owner), id(number) {}
      ~Handle() override { loop.timers_.erase(id); }
      FakeLoop& loop;
      int id;
    };
    return std::make_unique<Handle>(*this, id);
  }
  std::chrono::steady_clock::time_point now() const override { return now_; }
  std::int64_t unix_ms() const override {
    return 1'700'000'000'000 +
           std::chrono::duration_cast<std::chrono::milliseconds>(now_.time_since_epoch()).count();
  }

  // Runs turns until nothing is posted.
  void run() {
    while (!posted_.empty()) {
      auto task = std::move(posted_.front());
      posted_.pop_front();
      task();
    }
  }
  void advance(std::chrono::milliseconds by) {
    const auto end = now_ + by;
    run();
    while (true) {
      auto first = timers_.end();
      for (auto it = timers_.begin(); it != timers_.end(); ++it) {
        if (it->second.at <= end && (first == timers_.end() || it->second.at < first->second.at)) first = it;
      }
      if (first == timers_.end()) break;
      now_ = first->second.at;
      auto task = std::move(first->second.task);
      timers_.erase(first);
      task();
      run();
    }
    now_ = end;
  }

 private:
  struct Entry {
    std::chrono::steady_clock::time_point at;
    std::function<void()> task;
  };
  std::deque<std::function<void()>> posted_;
  std::map<int, Entry> timers_;
  int next_ = 1;
  std::chrono::steady_clock::time_point now_{};
};

class InlineExecutor final : public Executor {
 public:
  void post(std::function<void()> task) override { task(); }
};

class FakeBus final : public FrontendBus {
 public:
  void submit(messages::Submit submit, std::function<void(const messages::SubmitAck&)> done, int) override {
    submitted.push_back(submit);
    acks.push_back(std::move(done));
  }
  void cancel(messages::Cancel) override {}
  void follow(const std::string& topic, TopicListener& listener) override { listeners[topic] = &listener; }
  void unfollow(const std::string& topic, TopicListener&) override { listeners.erase(topic); }
  void replay(const std::string& stream, std::uint64_t,
              std::function<void(const messages::Replayed&)> done) override {
    replays.emplace_back(stream, std::move(done));
  }
  const messages::FleetStatus& fleet() const override { return status; }
  void on_fleet(std::function<void(const messages::FleetStatus&)> changed) override {
    watchers.push_back(changed);
  }

  void ack(std::size_t index, ErrorCode code = ErrorCode::kOk) {
    messages::SubmitAck answer;
    answer.code = code;
    acks.at(index)(answer);
  }
  void progress(const messages::GroupProgress& progress) {
    for (const auto& [topic, listener] : listeners) listener->on_progress(progress);
  }

  std::vector<std::pair<std::string, std::function<void(const messages::Replayed&)>>> replays;
  std::vector<messages::Submit> submitted;
  std::vector<std::function<void(const messages::SubmitAck&)>> acks;
  std::map<std::string, TopicListener*> listeners;
  std::vector<std::function<void(const messages::FleetStatus&)>> watchers;
  messages::FleetStatus status;
};

class FakeHub final : public StreamHub {
 public:
  void ask(messages::Submit question, std::function<void(const messages::SubmitAck&)> done) override {
    streams[question.stream->id];
    asked.push_back(std::move(question));
    acks.push_back(std::move(done));
  }
  void attach(const std::string& stream, StreamViewer& viewer) override { viewers[stream].insert(&viewer); }
  void detach(const std::string& stream, StreamViewer& viewer) override { viewers[stream].erase(&viewer); }
  StreamSlice read(const std::string& stream, std::uint64_t after_seq, std::size_t) override {
    StreamSlice slice;
    const auto found = streams.find(stream);
    if (found == streams.end()) {
      slice.state = StreamSlice::State::kUnknown;
      return slice;
    }
    slice.state = StreamSlice::State::kReady;
    for (const auto& event : found->second) {
      if (event.last_seq > after_seq) slice.events.push_back(event);
    }
    return slice;
  }
  void cancel(const std::string& stream) override { cancelled.push_back(stream); }
  std::size_t live_streams() const override { return streams.size(); }

  void emit(const std::string& stream, messages::StreamEventKind kind, std::string data,
            std::uint64_t offset = 0) {
    auto& events = streams[stream];
    const std::uint64_t seq = events.empty() ? 1 : events.back().last_seq + 1;
    events.push_back({seq, seq, kind, offset, std::move(data)});
    for (auto* viewer : std::set(viewers[stream])) viewer->on_stream(stream);
  }

  std::map<std::string, std::vector<messages::StreamEvent>> streams;
  std::map<std::string, std::set<StreamViewer*>> viewers;
  std::vector<messages::Submit> asked;
  std::vector<std::function<void(const messages::SubmitAck&)>> acks;
  std::vector<std::string> cancelled;
};

class FakeSocket final : public WebSocket {
 public:
  void send_text(std::string_view text) override { sent.emplace_back(text); }
  void send_binary(std::string_view) override {}
  void close(std::uint16_t code, std::string_view) override { closed = code; }
  std::size_t pending_bytes() const override { return pending; }
  const Request& request() const override { return upgrade; }
  std::string_view subprotocol() const override { return {}; }

  std::vector<std::string> sent;
  std::size_t pending = 0;
  std::uint16_t closed = 0;
  Request upgrade;
};

class FakeBody final : public BodyStream {
 public:
  void write(std::string_view bytes) override { text.append(bytes); }
  void end() override { ended = true; }
  std::size_t pending_bytes() const override { return pending; }
  bool closed() const override { return left; }

  std::string text;
  std::size_t pending = 0;
  bool ended = false;
  bool left = false;
};

class FakeResponder final : public Responder {
 public:
  void send(int code, std::string_view, std::string bytes, Headers) override {
    status = code;
    text = std::move(bytes);
  }
  std::shared_ptr<BodyStream> stream(int code, std::string_view, Headers) override {
    status = code;
    body = std::make_shared<FakeBody>();
    return body;
  }

  int status = 0;
  std::string text;
  std::shared_ptr<FakeBody> body;
};

// All of them on a catalog in a folder of its own.
struct World {
  World() {
    folder = std::filesystem::temp_directory_path() / ("answermill-" + random_id());
    std::filesystem::create_directories(folder);
    blobs = std::make_unique<store::BlobStore>(folder / "blobs");
    catalog = std::move(*Catalog::open((folder / "catalog.sqlite").string(), *blobs, 1));
    client = std::make_unique<CatalogClient>(loop, executor, *catalog);
    services = std::make_unique<Services>(
        Services{loop, bus, hub, *client, executor, *blobs, {"0.1.0", 1000, 8000, {".pdf"}}, {}});
  }
  ~World() { std::filesystem::remove_all(folder); }

  std::filesystem::path folder;
  FakeLoop loop;
  FakeBus bus;
  FakeHub hub;
  InlineExecutor executor;
  std::unique_ptr<store::BlobStore> blobs;
  std::unique_ptr<Catalog> catalog;
  std::unique_ptr<CatalogClient> client;
  std::unique_ptr<Services> services;
};

}  // namespace answermill::frontend::test
