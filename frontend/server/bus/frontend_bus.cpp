#include "frontend/server/bus/frontend_bus.h"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <stdexcept>
#include <unordered_map>
#include <vector>

#include "frontend/server/bus/bus_sockets.h"
#include "shared/base/ids.h"
#include "shared/bus/job_consumer.h"
#include "shared/log/log.h"
#include "shared/messages/codec.h"

namespace answermill::frontend {

using namespace messages;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::chrono::milliseconds kTick{100};
constexpr std::chrono::milliseconds kFirstResend{300};
constexpr std::chrono::milliseconds kSlowestResend{2000};
constexpr std::chrono::seconds kReplayResend{1};
constexpr int kReplayTries = 8;
constexpr std::chrono::seconds kFleetSilence{3};
constexpr std::uint32_t kRecordSlots = 16;

class Bus : public FrontendBus, private bus::ConsumerOutput {
 public:
  Bus(boost::asio::io_context& loop, bus::Dialer dialer,
      std::function<void(bus::Job, std::shared_ptr<bus::JobHandle>)> record)
      : reply_topic_(random_id()),
        sockets_(
            loop, std::move(dialer),
            {[this](const std::string& topic, const std::string& frame) { on_event(topic, frame); },
             [this](const std::string& frame) { consumer_.on_work_frame(frame, Clock::now()); },
             [this](const std::string& frame) { on_replayed(frame); },
             [this] { consumer_.on_relay_subscribed(Clock::now()); }, [this] { missed_events_ = true; }}),
        consumer_({"record", kRecordSlots, "catalog"}, *this, sockets_.mailbox(), std::move(record), nullptr),
        timer_(loop) {
    sockets_.subscribe(reply_topic_);
    sockets_.subscribe(kFleetTopic);
    tick();
  }

  ~Bus() override { consumer_.give_up(); }

  void submit(Submit submit, std::function<void(const SubmitAck&)> done, int patience_ms) override {
    submit.reply_topic = reply_topic_;
    const auto now = Clock::now();
    Submission submission{encode_frame(SubmitKind::kSubmit, submit), std::move(done), now + kFirstResend,
                          kFirstResend, now + std::chrono::milliseconds(patience_ms)};
    sockets_.send_job(submission.frame);
    submissions_.insert_or_assign(submit.job.request_id, std::move(submission));
  }

  void cancel(Cancel cancel) override {
    cancel.reply_topic = reply_topic_;
    sockets_.send_job(encode_frame(SubmitKind::kCancel, cancel));
  }

  void follow(const std::string& topic, TopicListener& listener) override {
    auto& followers = topics_[topic];
    if (followers.empty()) sockets_.subscribe(topic);
    followers.push_back({&listener, false});
    ask_snapshot(topic, listener);
  }

  void unfollow(const std::string& topic, TopicListener& listener) override {
    const auto found = topics_.find(topic);
    if (found == topics_.end()) return;
    auto& followers = found->second;
    followers.erase(std::remove_if(followers.begin(), followers.end(),
                                   [&](const Follower& f) { return f.listener == &listener; }),
                    followers.end());
    if (followers.empty()) {
      sockets_.unsubscribe(topic);
      topics_.erase(found);
    }
    for (auto nonce = nonces_.begin(); nonce != nonces_.end();) {
      if (nonce->second.listener != &listener || nonce->second.topic != topic) {
        ++nonce;
        continue;
      }
      sockets_.unsubscribe(nonce->first);
      nonce = nonces_.erase(nonce);
    }
  }

  void replay(const std::string& stream, std::uint64_t after_seq,
              std::function<void(const Replayed&)> done) override {
    const std::uint64_t number = ++replay_number_;
    auto frame = encode_frame(QueryKind::kReplay, Replay{number, stream, after_seq});
    sockets_.send_query(frame);
    replays_[number] = {std::move(frame), std::move(done), Clock::now() + kReplayResend, kReplayTries};
  }

  const FleetStatus& fleet() const override { return fleet_; }
  void on_fleet(std::function<void(const FleetStatus&)> changed) override {
    fleet_watchers_.push_back(std::move(changed));
  }

 private:
  struct Submission {
    std::string frame;
    std::function<void(const SubmitAck&)> done;
    Clock::time_point resend_at;
    std::chrono::milliseconds interval;
    Clock::time_point give_up_at;
  };
  struct Follower {
    TopicListener* listener;
    bool ready;  // has had its snapshot
  };
  struct Nonce {
    std::string topic;
    TopicListener* listener;
  };
  struct PendingReplay {
    std::string frame;
    std::function<void(const Replayed&)> done;
    Clock::time_point resend_at;
    int tries_left;
  };

  void send_work(std::string frame) override { sockets_.send_work(frame); }
  void publish(std::string_view topic, std::string frame) override { sockets_.publish(topic, frame); }

  void ask_snapshot(const std::string& topic, TopicListener& listener) {
    const std::string nonce = kNoncePrefix + random_id() + topic;
    nonces_[nonce] = {topic, &listener};
    sockets_.subscribe(nonce);
  }

  void on_event(const std::string& topic, const std::string& bytes) {
    const auto frame = split_frame(bytes);
    if (!frame) return;
    switch (static_cast<EventKind>(frame->kind)) {
      case EventKind::kStream:
        if (const auto batch = decode<StreamBatch>(frame->body)) {
          tell(topic, [&](TopicListener& listener) { listener.on_batch(*batch); });
        }
        break;
      case EventKind::kSnapshot:
        if (const auto snapshot = decode<Snapshot>(frame->body)) on_snapshot(topic, *snapshot);
        break;
      case EventKind::kBeacon:
        if (const auto beacon = decode<Beacon>(frame->body)) {
          tell(topic, [&](TopicListener& listener) { listener.on_beacon(*beacon); });
        }
        break;
      case EventKind::kAck:
        if (const auto ack = decode<SubmitAck>(frame->body)) on_ack(*ack);
        break;
      case EventKind::kProgress:
        if (const auto progress = decode<GroupProgress>(frame->body)) {
          tell(topic, [&](TopicListener& listener) { listener.on_progress(*progress); });
        }
        break;
      case EventKind::kFleet:
        if (auto fleet = decode<FleetStatus>(frame->body)) on_fleet_status(std::move(*fleet));
        break;
    }
  }

  // A listener may follow or leave while it is told something: look each up again.
  template <class Tell>
  void tell(const std::string& topic, const Tell& tell_one) {
    const auto found = topics_.find(topic);
    if (found == topics_.end()) return;
    const std::vector<Follower> followers = found->second;
    for (const auto& follower : followers) {
      if (follower.ready && follows(topic, follower.listener)) tell_one(*follower.listener);
    }
  }

  bool follows(const std::string& topic, const TopicListener* listener) const {
    const auto found = topics_.find(topic);
    return found != topics_.end() && std::any_of(found->second.begin(), found->second.end(),
                                                 [&](const Follower& f) { return f.listener == listener; });
  }

  void on_snapshot(const std::string& nonce, const Snapshot& snapshot) {
    const auto found = nonces_.find(nonce);
    if (found == nonces_.end()) return;
    const Nonce asked = found->second;
    nonces_.erase(found);
    sockets_.unsubscribe(nonce);
    for (auto& follower : topics_[asked.topic]) {
      if (follower.listener == asked.listener) follower.ready = true;
    }
    asked.listener->on_snapshot(snapshot);
  }

  void on_ack(const SubmitAck& ack) {
    const auto found = submissions_.find(ack.request_id);
    if (found == submissions_.end()) return;
    const auto done = std::move(found->second.done);
    submissions_.erase(found);
    if (done) done(ack);
  }

  void on_replayed(const std::string& bytes) {
    const auto frame = split_frame(bytes);
    if (!frame || frame->kind != static_cast<std::uint8_t>(QueryKind::kReplayed)) return;
    const auto replayed = decode<Replayed>(frame->body);
    if (!replayed) return;
    const auto found = replays_.find(replayed->number);
    if (found == replays_.end()) return;
    const auto done = std::move(found->second.done);
    replays_.erase(found);
    done(*replayed);
  }

  void on_fleet_status(FleetStatus fleet) {
    const bool new_boot = fleet.boot != last_boot_;
    fleet_heard_ = Clock::now();
    fleet_ = std::move(fleet);
    if (new_boot) {
      const bool came_back = last_boot_ != 0;
      last_boot_ = fleet_.boot;
      log::info("event=broker_boot boot={}", last_boot_);
      missed_events_ = missed_events_ || came_back;
    }
    // The status comes over the same socket: by now the topics are subscribed again, the nonces come after.
    if (std::exchange(missed_events_, false)) refollow();
    for (const auto& watcher : fleet_watchers_) watcher(fleet_);
  }

  // The broker or the connection to it came back: what it has now may differ from what was heard before.
  void refollow() {
    for (const auto& [topic, followers] : topics_) {
      for (const auto& follower : followers) ask_snapshot(topic, *follower.listener);
    }
  }

  void tick() {
    const auto now = Clock::now();
    sockets_.tend(now);
    consumer_.on_tick(now);
    resend_submissions(now);
    resend_replays(now);
    if (fleet_.boot != 0 && now - fleet_heard_ > kFleetSilence) {
      fleet_ = FleetStatus{};
      for (const auto& watcher : fleet_watchers_) watcher(fleet_);
    }
    timer_.expires_after(kTick);
    timer_.async_wait([this](const boost::system::error_code& error) {
      if (!error) tick();
    });
  }

  void resend_submissions(Clock::time_point now) {
    std::vector<std::pair<std::string, std::function<void(const SubmitAck&)>>> given_up;
    for (auto& [request, submission] : submissions_) {
      if (now >= submission.give_up_at) {
        given_up.emplace_back(request, submission.done);
      } else if (now >= submission.resend_at) {
        submission.interval = std::min(kSlowestResend, submission.interval * 2);
        submission.resend_at = now + submission.interval;
        sockets_.send_job(submission.frame);
      }
    }
    for (const auto& [request, done] : given_up) {
      submissions_.erase(request);
      if (done) {
        done({request,
              {},
              0,
              ErrorCode::kUnavailable,
              "the broker does not answer; try again in a moment",
              0});
      }
    }
  }

  void resend_replays(Clock::time_point now) {
    std::vector<std::uint64_t> given_up;
    for (auto& [number, replay] : replays_) {
      if (now < replay.resend_at) continue;
      if (--replay.tries_left <= 0) {
        given_up.push_back(number);
        continue;
      }
      replay.resend_at = now + kReplayResend;
      sockets_.send_query(replay.frame);
    }
    for (const auto number : given_up) {
      const auto done = std::move(replays_[number].done);
      replays_.erase(number);
      done({number, false, {}, 0});
    }
  }

  std::string reply_topic_;
  BusSockets sockets_;
  bus::JobConsumer consumer_;
  boost::asio::steady_timer timer_;
  std::unordered_map<std::string, Submission> submissions_;
  std::map<std::string, std::vector<Follower>> topics_;
  std::unordered_map<std::string, Nonce> nonces_;
  std::map<std::uint64_t, PendingReplay> replays_;
  std::uint64_t replay_number_ = 0;
  FleetStatus fleet_;
  std::uint64_t last_boot_ = 0;
  Clock::time_point fleet_heard_{};
  bool missed_events_ = false;
  std::vector<std::function<void(const FleetStatus&)>> fleet_watchers_;
};

}  // namespace

Result<bus::Dialer> dialer_of(const BusEndpoints& endpoints) {
  return bus::Dialer::from_flags(endpoints.bus, endpoints.bus_key, bus::Role::kFrontend,
                                 {{bus::Channel::kJobs, endpoints.jobs},
                                  {bus::Channel::kWork, endpoints.work},
                                  {bus::Channel::kEvents, endpoints.events},
                                  {bus::Channel::kWorkerEvents, endpoints.worker_events},
                                  {bus::Channel::kQuery, endpoints.query}});
}

std::unique_ptr<FrontendBus> make_frontend_bus(
    boost::asio::io_context& loop, const BusEndpoints& endpoints,
    std::function<void(bus::Job, std::shared_ptr<bus::JobHandle>)> record) {
  auto dialer = dialer_of(endpoints);
  if (!dialer) throw std::runtime_error(dialer.error().message);
  return std::make_unique<Bus>(loop, std::move(*dialer), std::move(record));
}

}  // namespace answermill::frontend
