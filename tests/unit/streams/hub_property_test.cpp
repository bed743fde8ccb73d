// The reading side against a broker that loses, repeats and reorders events and restarts with any prefix of
// what it had, while viewers fall behind, come and go between two frontends and keep only their cursor.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <deque>
#include <random>

#include "frontend/server/streams/stream_hub.h"
#include "shared/streams/stream_log.h"

namespace answermill::frontend {
namespace {

using namespace messages;
using streams::StreamLog;

constexpr char kTopic[] = "aaaaaaaaaaaaaaaa";
constexpr char kStream[] = "aaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbb";
constexpr unsigned kEventsOfOneBoot = 20;
constexpr std::size_t kMemory =
    1;  // whatever nobody looks at leaves at once, and comes back when somebody does

class FakeBus : public FrontendBus {
 public:
  explicit FakeBus(const StreamLog& relay) : relay_(relay) {}
  void submit(Submit, std::function<void(const SubmitAck&)>, int) override {}
  void cancel(Cancel) override {}
  void follow(const std::string&, TopicListener& listener) override {
    listener_ = &listener;
    snapshot_due = true;
  }
  void unfollow(const std::string&, TopicListener&) override { listener_ = nullptr; }
  void replay(const std::string&, std::uint64_t after_seq,
              std::function<void(const Replayed&)> done) override {
    asked_.emplace_back(after_seq, std::move(done));
  }
  const FleetStatus& fleet() const override { return fleet_; }
  void on_fleet(std::function<void(const FleetStatus&)> changed) override { changed_ = std::move(changed); }

  void answer() {
    const auto asked = std::exchange(asked_, {});
    for (const auto& [after_seq, done] : asked) {
      Replayed replayed{0, true, {kStream, relay_.epoch(), relay_.next_seq(), {}, {}}, fleet_.boot};
      if (after_seq < relay_.next_seq()) replayed.state.events = relay_.read(after_seq, SIZE_MAX);
      done(replayed);
    }
    if (listener_ != nullptr && std::exchange(snapshot_due, false))
      listener_->on_snapshot({fleet_.boot, kTopic, {relay_.state()}, {}});
  }
  void hear(const StreamBatch& batch) {
    if (listener_ != nullptr && !snapshot_due) listener_->on_batch(batch);
  }
  void beacon() {
    if (listener_ != nullptr) listener_->on_beacon({fleet_.boot, {{kStream, relay_.next_seq()}}});
  }
  void tell_fleet(std::uint64_t boot) {
    snapshot_due = snapshot_due || boot != fleet_.boot;
    fleet_.boot = boot;
    fleet_.uptime_ms = 60'000;
    changed_(fleet_);
  }

  bool snapshot_due = false;

 private:
  const StreamLog& relay_;
  TopicListener* listener_ = nullptr;
  FleetStatus fleet_;
  std::function<void(const FleetStatus&)> changed_;
  std::vector<std::pair<std::uint64_t, std::function<void(const Replayed&)>>> asked_;
};

struct Viewer : StreamViewer {
  void on_stream(const std::string&) override {}
  std::string text;
  std::uint64_t seen = 0;
  int terminals = 0;
  int needless = 0;  // rewinds for a viewer that had only what survived
  int gaps = 0;      // numbers nobody told it about
  std::size_t at = 0;

  void read(StreamHub& hub, std::size_t most) {
    if (terminals > 0) return;
    for (const auto& event : hub.read(kStream, seen, most).events) {
      if (event.kind == StreamEventKind::kToken) text = text.substr(0, event.offset) + event.data;
      if (event.kind == StreamEventKind::kRewind) {
        const bool skip =
            event.last_seq > event.first_seq && event.last_seq % (1ULL << kEventsOfOneBoot) == 0;
        if (skip && event.first_seq > seen) ++needless;
        text.resize(std::min<std::size_t>(text.size(), event.offset));
      }
      if (event.kind == StreamEventKind::kTerminal) ++terminals;
      if (event.first_seq > seen + 1) ++gaps;
      seen = event.last_seq;
    }
  }
};

class Wire {
 public:
  explicit Wire(std::uint32_t seed) : random_(seed) {
    for (auto& bus : buses_) {
      bus = std::make_unique<FakeBus>(relay);
      hubs_.push_back(make_stream_hub(*bus, kMemory, [this] { return now_; }));
      bus->tell_fleet(boot_);
    }
    for (auto& viewer : viewers) attach(viewer, random_() % 2);
  }

  void run() {
    for (int step = 0; step < 150; ++step) one_step();
    publish(relay.append(StreamEventKind::kTerminal, "end"));
    for (int step = 0; step < 20; ++step) {
      now_ += std::chrono::seconds(2);
      for (auto& bus : buses_) {
        bus->tell_fleet(boot_);
        bus->answer();
        bus->beacon();
        bus->answer();
      }
      for (auto& viewer : viewers) viewer.read(*hubs_[viewer.at], 1 + random_() % 50);
    }
  }

  StreamLog relay{kStream};
  std::array<Viewer, 5> viewers;

 private:
  bool chance(int percent) { return static_cast<int>(random_() % 100) < percent; }

  void attach(Viewer& viewer, std::size_t at) {
    viewer.at = at;
    hubs_[at]->attach(kStream, viewer);
  }

  void publish(const StreamEvent& event) {
    for (auto& way : on_the_way_) way.push_back({kStream, relay.epoch(), {event}});
  }

  // The broker dies; what it knows afterwards is any prefix of what it had.
  void restart() {
    const std::uint64_t kept = random_() % relay.next_seq();
    StreamLog prefix(kStream);
    for (const auto& event : relay.state().events) {
      if (event.last_seq <= kept) prefix.apply(relay.epoch(), event);
    }
    relay = std::move(prefix);
    ++boot_;
    relay.set_epoch(boot_ << 32U);
    for (auto& way : on_the_way_) way.clear();
    for (auto& bus : buses_) bus->tell_fleet(boot_);
    publish(relay.append_skip(boot_ << kEventsOfOneBoot));
  }

  void one_step() {
    now_ += std::chrono::milliseconds(random_() % 400);
    if (chance(60))
      publish(relay.append_token(std::string(1 + random_() % 4, static_cast<char>('a' + random_() % 26))));
    if (chance(5)) publish(relay.append(StreamEventKind::kCitation, "c"));
    if (chance(2)) publish(relay.append_rewind(random_() % (relay.text().size() + 1)));
    if (chance(3)) restart();
    for (std::size_t i = 0; i < buses_.size(); ++i) {
      auto& way = on_the_way_[i];
      if (chance(10)) std::shuffle(way.begin(), way.end(), random_);
      for (std::size_t count = random_() % 4; count > 0 && !way.empty(); --count) {
        if (!chance(15)) buses_[i]->hear(way.front());
        if (!chance(10)) way.pop_front();
      }
      if (chance(30)) buses_[i]->answer();
      if (chance(10)) buses_[i]->beacon();
      if (chance(20)) buses_[i]->tell_fleet(boot_);
    }
    for (auto& viewer : viewers) {
      if (chance(30)) viewer.read(*hubs_[viewer.at], 1 + random_() % 30);
      if (!chance(4)) continue;
      hubs_[viewer.at]->detach(kStream, viewer);
      attach(viewer, random_() % 2);
    }
  }

  std::mt19937 random_;
  std::chrono::steady_clock::time_point now_{std::chrono::hours(1)};
  std::uint64_t boot_ = 1;
  std::array<std::deque<StreamBatch>, 2> on_the_way_;
  std::array<std::unique_ptr<FakeBus>, 2> buses_;
  std::vector<std::unique_ptr<StreamHub>> hubs_;
};

TEST(StreamHubProperty, EveryViewerEndsWithTheSameTextAndOneEnd) {
  for (std::uint32_t seed = 1; seed <= 1000; ++seed) {
    Wire wire(seed);
    wire.run();
    for (const auto& viewer : wire.viewers) {
      ASSERT_EQ(viewer.text, wire.relay.text()) << "seed " << seed;
      ASSERT_EQ(viewer.terminals, 1) << "seed " << seed;
      ASSERT_EQ(viewer.needless, 0) << "seed " << seed;
      ASSERT_EQ(viewer.gaps, 0) << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace answermill::frontend
