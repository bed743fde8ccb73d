#include "frontend/server/streams/stream_hub.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include "shared/base/ids.h"
#include "shared/log/log.h"
#include "shared/streams/stream_budget.h"
#include "shared/streams/stream_log.h"

namespace answermill::frontend {

using namespace messages;
using streams::StreamBudget;
using streams::StreamLog;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::chrono::seconds kKeepUnseen{60};   // a mirror nobody looks at any more
constexpr std::uint64_t kBrokerSettlesMs = 5000;  // after a boot, streams may still turn up
constexpr std::chrono::seconds kLookAgain{1};
constexpr std::chrono::seconds kSilence{3};  // beacons name every live stream each second

class Hub : public StreamHub, private TopicListener {
 public:
  Hub(FrontendBus& bus, std::size_t memory, StreamHubClock clock)
      : bus_(bus), clock_(std::move(clock)), budget_(memory) {
    bus_.on_fleet([this](const FleetStatus& fleet) { on_fleet(fleet); });
  }

  ~Hub() override {
    for (const auto& [topic, streams] : topics_) bus_.unfollow(topic, *this);
  }

  void ask(Submit question, std::function<void(const SubmitAck&)> done) override {
    const std::string id = question.stream->id;
    Mirror& mirror = mirrors_.try_emplace(id, id).first->second;
    mirror.unseen_since = mirror.heard = clock_();
    mirror.state = StreamSlice::State::kReady;
    mirror.question = question;
    mirror.boot = bus_.fleet().boot;
    join_topic(id);
    bus_.submit(std::move(question), [this, id, done = std::move(done)](const SubmitAck& ack) {
      const auto found = mirrors_.find(id);
      if (found != mirrors_.end()) {
        found->second.boot = std::max(found->second.boot, ack.boot);
        found->second.taken_by = ack.boot;
        if (ack.code != ErrorCode::kOk) found->second.question.reset();
      }
      if (done) done(ack);
    });
  }

  void attach(const std::string& stream, StreamViewer& viewer) override {
    const auto [found, is_new] = mirrors_.try_emplace(stream, stream);
    found->second.viewers.insert(&viewer);
    if (!is_new) {
      if (found->second.state == StreamSlice::State::kUnknown) look_for(stream);
      return;
    }
    found->second.unseen_since = found->second.heard = clock_();
    if (topic_of_stream(stream).empty()) {
      found->second.state = StreamSlice::State::kUnknown;
      return;
    }
    const bool followed = topics_.count(std::string(topic_of_stream(stream))) != 0;
    join_topic(stream);
    if (followed) look_for(stream);  // otherwise the topic's snapshot tells
  }

  void detach(const std::string& stream, StreamViewer& viewer) override {
    const auto found = mirrors_.find(stream);
    if (found == mirrors_.end()) return;
    found->second.viewers.erase(&viewer);
    found->second.unseen_since = clock_();
  }

  StreamSlice read(const std::string& stream, std::uint64_t after_seq, std::size_t max_bytes) override {
    StreamSlice slice;
    const auto found = mirrors_.find(stream);
    if (found == mirrors_.end()) {
      slice.state = StreamSlice::State::kUnknown;
      return slice;
    }
    Mirror& mirror = found->second;
    slice.state = mirror.state;
    // Nothing new is not "beyond": a reader at the end has simply seen all there is.
    if (mirror.state != StreamSlice::State::kReady || after_seq == mirror.log.last_seq()) return slice;
    if (after_seq > mirror.log.last_seq() && !mirror.log.finished() && !mirror.up_to_date) {
      // It has seen more on another frontend: perhaps the broker has too.
      replay(stream, mirror.log.last_seq());
      return slice;
    }
    slice.events = mirror.log.read(after_seq, max_bytes);
    streams::leave_out_skips(slice.events, after_seq);
    return slice;
  }

  void cancel(const std::string& stream) override {
    if (const auto found = mirrors_.find(stream); found != mirrors_.end()) found->second.cancelling = true;
    bus_.cancel({{}, "default", stream, {}});
  }

  std::size_t live_streams() const override {
    return static_cast<std::size_t>(std::count_if(mirrors_.begin(), mirrors_.end(),
                                                  [](const auto& m) { return !m.second.log.finished(); }));
  }

 private:
  struct Mirror {
    explicit Mirror(const std::string& id) : log(id) {}
    StreamLog log;
    StreamSlice::State state = StreamSlice::State::kLoading;
    std::set<StreamViewer*> viewers;
    std::optional<Submit> question;  // ours, until its terminal event
    std::uint64_t boot = 0;          // the broker it was last given to
    std::uint64_t taken_by = 0;      // the broker that last acknowledged it
    bool replaying = false;
    bool up_to_date = false;  // it has had all that this broker had when a reader was found to be ahead
    bool cancelling = false;
    Clock::time_point heard{};  // when the broker last named it
    Clock::time_point unseen_since{};
    Clock::time_point look_again = Clock::time_point::max();
  };

  void join_topic(const std::string& stream) {
    const std::string topic(topic_of_stream(stream));
    auto& members = topics_[topic];
    const bool first = members.empty();
    members.insert(stream);
    if (first) bus_.follow(topic, *this);
  }

  void changed(const std::string& stream, Mirror& mirror) {
    if (mirror.log.finished()) {
      mirror.question.reset();
      mirror.cancelling = false;
    }
    const auto viewers = mirror.viewers;  // one may leave, or take others along, while it is told
    for (auto* viewer : viewers) {
      const auto still = mirrors_.find(stream);
      if (still == mirrors_.end()) return;
      if (still->second.viewers.count(viewer) != 0) viewer->on_stream(stream);
    }
  }

  void on_batch(const StreamBatch& batch) override {
    const auto found = mirrors_.find(batch.stream);
    if (found == mirrors_.end() || batch.events.empty()) return;
    Mirror& mirror = found->second;
    mirror.heard = clock_();
    if (mirror.state != StreamSlice::State::kReady) return;  // what is being loaded has this too
    bool fresh = false;
    for (const auto& event : batch.events) {
      const auto applied = mirror.log.apply(batch.epoch, event);
      fresh = fresh || applied == StreamLog::Applied::kNew;
      if (applied == StreamLog::Applied::kGap) {
        heal(batch.stream);
        break;
      }
    }
    if (fresh) changed(batch.stream, mirror);
  }

  void on_snapshot(const Snapshot& snapshot) override {
    std::set<std::string> present;
    for (const auto& state : snapshot.streams) {
      present.insert(state.stream);
      take(state);
    }
    const auto members = topics_.find(snapshot.topic);
    if (members == topics_.end()) return;
    const auto streams = members->second;
    for (const auto& stream : streams) {
      const auto mirror = mirrors_.find(stream);
      if (mirror != mirrors_.end() && present.count(stream) == 0 && !mirror->second.log.finished() &&
          !mirror->second.question) {
        missing(stream, mirror->second);
      }
    }
  }

  void on_progress(const GroupProgress&) override {}

  void on_beacon(const Beacon& beacon) override {
    for (const auto& head : beacon.heads) {
      const auto found = mirrors_.find(head.stream);
      if (found == mirrors_.end()) continue;
      found->second.heard = clock_();
      if (head.next_seq > found->second.log.next_seq()) heal(head.stream);
    }
  }

  void take(const StreamState& state) {
    const auto found = mirrors_.find(state.stream);
    if (found == mirrors_.end()) return;
    Mirror& mirror = found->second;
    const bool was_ready =
        std::exchange(mirror.state, StreamSlice::State::kReady) == StreamSlice::State::kReady;
    mirror.look_again = Clock::time_point::max();
    mirror.heard = clock_();
    const bool fresh = mirror.log.merge(state);
    if (fresh || !was_ready) changed(state.stream, mirror);
  }

  // The broker does not have it. Right after its start it may still learn of it from a worker.
  void missing(const std::string& stream, Mirror& mirror) {
    if (bus_.fleet().boot == 0 || bus_.fleet().uptime_ms < kBrokerSettlesMs) {
      mirror.look_again = clock_() + kLookAgain;
      return;
    }
    mirror.state = StreamSlice::State::kUnknown;
    changed(stream, mirror);
  }

  void look_for(const std::string& stream) { replay(stream, 0); }

  void heal(const std::string& stream) {
    if (const auto found = mirrors_.find(stream); found != mirrors_.end())
      replay(stream, found->second.log.last_seq());
  }

  void replay(const std::string& stream, std::uint64_t after_seq) {
    const auto found = mirrors_.find(stream);
    if (found == mirrors_.end() || std::exchange(found->second.replaying, true)) return;
    bus_.replay(stream, after_seq, [this, stream](const Replayed& replayed) {
      const auto mirror = mirrors_.find(stream);
      if (mirror == mirrors_.end()) return;
      mirror->second.replaying = false;
      if (replayed.known) {
        on_replayed(stream, replayed);
      } else if (!mirror->second.log.finished()) {
        // A question that this broker knows, and whose stream it has no more, is answered and recorded.
        if (mirror->second.question && mirror->second.taken_by != replayed.boot) return;
        mirror->second.question.reset();
        missing(stream, mirror->second);
      }
    });
  }

  void on_replayed(const std::string& stream, const Replayed& replayed) {
    take(replayed.state);
    const auto found = mirrors_.find(stream);
    if (found == mirrors_.end()) return;
    Mirror& mirror = found->second;
    if (mirror.up_to_date || replayed.state.next_seq > mirror.log.next_seq()) return;
    if (bus_.fleet().uptime_ms < kBrokerSettlesMs) {
      mirror.look_again = clock_() + kLookAgain;
      return;
    }
    mirror.up_to_date = true;  // readers that are ahead of it are ahead of everybody
    changed(stream, mirror);
  }

  void on_fleet(const FleetStatus& fleet) {
    const auto now = clock_();
    std::vector<std::string> again;
    std::vector<std::string> forget;
    std::vector<std::string> silent;
    for (auto& [stream, mirror] : mirrors_) {
      // Its end may have been lost with a connection: what has ended is in no beacon.
      if (fleet.boot != 0 && mirror.state == StreamSlice::State::kReady && !mirror.log.finished() &&
          now - mirror.heard > kSilence) {
        silent.push_back(stream);
      }
      if (fleet.boot != 0 && mirror.question && mirror.boot != 0 && mirror.boot != fleet.boot)
        resubmit(stream, mirror);
      if (fleet.boot != 0 && mirror.cancelling) bus_.cancel({{}, "default", stream, {}});
      if (now >= mirror.look_again) again.push_back(stream);
      if (mirror.viewers.empty() && !mirror.question && now - mirror.unseen_since > kKeepUnseen)
        forget.push_back(stream);
    }
    for (const auto& stream : again) {
      mirrors_.at(stream).look_again = Clock::time_point::max();
      look_for(stream);
    }
    for (const auto& stream : silent) {
      mirrors_.at(stream).heard = now;  // once in a while
      heal(stream);
    }
    for (const auto& stream : forget) drop(stream);
    stay_within_memory();
  }

  // Once a second: what comes in between is bounded by what the bus carries in that time.
  void stay_within_memory() {
    using Leaves = StreamBudget::Leaves;
    for (const auto& [stream, mirror] : mirrors_) {
      budget_.resize(stream, sizeof(Mirror) + mirror.log.bytes());
      const bool needed = !mirror.viewers.empty() || mirror.question || mirror.cancelling || mirror.replaying;
      budget_.set(stream,
                  needed                  ? Leaves::kNever
                  : mirror.log.finished() ? Leaves::kFirst
                                          : Leaves::kSecond,
                  mirror.unseen_since);
    }
    std::size_t left = 0;
    for (; const std::string* next = budget_.next_to_leave(); ++left) drop(std::string(*next));
    if (left > 0) log::info("event=streams_evicted count={} bytes={}", left, budget_.total());
  }

  // The broker lost its memory: give it the question again, with what was shown of the answer.
  void resubmit(const std::string& stream, Mirror& mirror) {
    mirror.boot = bus_.fleet().boot;
    Submit again = *mirror.question;
    again.shown = mirror.log.state();
    log::info("event=resubmit stream={} seq={}", stream, mirror.log.last_seq());
    mirror.up_to_date = false;
    bus_.submit(std::move(again), [this, stream](const SubmitAck& ack) {
      const auto found = mirrors_.find(stream);
      if (found == mirrors_.end() || ack.code != ErrorCode::kOk) return;
      found->second.taken_by = ack.boot;
      heal(stream);
    });
  }

  void drop(const std::string& stream) {
    mirrors_.erase(stream);
    budget_.forget(stream);
    const std::string topic(topic_of_stream(stream));
    const auto members = topics_.find(topic);
    if (members == topics_.end()) return;
    members->second.erase(stream);
    if (!members->second.empty()) return;
    topics_.erase(members);
    bus_.unfollow(topic, *this);
  }

  FrontendBus& bus_;
  StreamHubClock clock_;
  StreamBudget budget_;
  std::unordered_map<std::string, Mirror> mirrors_;
  std::unordered_map<std::string, std::set<std::string>> topics_;
};

}  // namespace

std::unique_ptr<StreamHub> make_stream_hub(FrontendBus& bus, std::size_t memory, StreamHubClock clock) {
  return std::make_unique<Hub>(bus, memory, std::move(clock));
}

}  // namespace answermill::frontend
