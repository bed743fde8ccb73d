// Answermill's own broker over its own sockets: submissions, acknowledgements on the submitter's topic, and
// the JobConsumer that every worker process uses.
#include <poll.h>

#include <thread>

#include "bench/queue/child.h"
#include "bench/queue/peer.h"
#include "shared/base/ids.h"
#include "shared/bus/job_consumer.h"
#include "shared/bus/socket.h"
#include "shared/messages/codec.h"
#include "shared/messages/events.h"
#include "shared/messages/submit.h"

namespace answermill::bench {
namespace {

using namespace messages;

struct Endpoints {
  explicit Endpoints(const std::string& folder) : base("ipc://" + folder + "/") {}
  std::string operator()(const char* name) const { return base + name; }
  std::string base;
};

class AnswermillProducer : public Producer {
 public:
  AnswermillProducer(const Endpoints& endpoints, Durability durability)
      : jobs_(context_, bus::Pattern::kPush), events_(context_, bus::Pattern::kSub) {
    if (!jobs_.connect(endpoints("jobs")) || !events_.connect(endpoints("events")))
      throw PeerError("no broker");
    submit_.reply_topic = random_id();
    submit_.job.stage = "bench";
    submit_.job.op = "work";
    submit_.job.tenant = "t";
    submit_.job.durability = durability;
    events_.subscribe(submit_.reply_topic);
    // The first job is sent until it is answered: the subscription must have arrived.
    const std::string frame = next("");
    do {
      jobs_.send({frame});
    } while (confirmed(50) == 0);
  }
  void submit(std::string_view payload) override {
    const std::string frame = next(payload);
    while (jobs_.send({frame}) == bus::SendStatus::kFull) std::this_thread::yield();
  }
  void flush() override {}
  std::size_t confirmed(int wait_ms) override {
    std::size_t count = 0;
    if (!events_.readable()) {
      bus::Poller poller;
      poller.add(events_);
      poller.wait(std::chrono::milliseconds(wait_ms));
    }
    while (events_.receive(frames_)) {
      const auto frame = split_frame(frames_.at(1));
      if (!frame || frame->kind != static_cast<std::uint8_t>(EventKind::kAck)) throw PeerError("odd event");
      const auto ack = decode<SubmitAck>(frame->body);
      if (!ack || ack->code != ErrorCode::kOk) throw PeerError("a submission was refused");
      ++count;
    }
    return count;
  }

 private:
  std::string next(std::string_view payload) {
    submit_.job.request_id = std::to_string(++number_);
    submit_.job.payload = payload;
    return encode_frame(SubmitKind::kSubmit, submit_);
  }

  bus::Context context_;
  bus::Socket jobs_;
  bus::Socket events_;
  Submit submit_;
  std::uint64_t number_ = 0;
  std::vector<std::string> frames_;
};

class AnswermillConsumer : public Consumer, public bus::ConsumerOutput {
 public:
  explicit AnswermillConsumer(const Endpoints& endpoints)
      : work_(context_, bus::Pattern::kDealer),
        consumer_(
            {"bench", kPrefetch, {}}, *this, mailbox_,
            [this](bus::Job job, const std::shared_ptr<bus::JobHandle>& handle) {
              if (!job.spec.payload.empty()) (*started_)(job.spec.payload);
              handle->finish({});
            },
            nullptr) {
    if (!work_.connect(endpoints("work"))) throw PeerError("no broker");
    poller_.add(work_);
    poller_.add_descriptor(mailbox_.fd());
    consumer_.on_relay_subscribed(std::chrono::steady_clock::now());
  }
  std::size_t work(const std::function<void(std::string_view)>& started) override {
    started_ = &started;
    const std::uint64_t before = committed_;
    poller_.wait(std::chrono::milliseconds(20));
    const auto now = std::chrono::steady_clock::now();
    for (int i = 0; i < kPrefetch && work_.receive(frames_); ++i) {
      const auto frame = split_frame(frames_.at(0));
      if (frame && frame->kind == static_cast<std::uint8_t>(WorkKind::kCommitted)) ++committed_;
      consumer_.on_work_frame(frames_[0], now);
    }
    mailbox_.run_all();
    consumer_.on_tick(now);
    return committed_ - before;
  }
  void send_work(std::string frame) override {
    while (work_.send({frame}) == bus::SendStatus::kFull) std::this_thread::yield();
  }
  void publish(std::string_view, std::string) override {}

 private:
  bus::Context context_;
  bus::Socket work_;
  bus::Poller poller_;
  Mailbox mailbox_;
  const std::function<void(std::string_view)>* started_ = nullptr;
  std::uint64_t committed_ = 0;
  std::vector<std::string> frames_;
  bus::JobConsumer consumer_;
};

class Answermill : public Peer {
 public:
  Answermill(const std::string& folder, Durability durability)
      : endpoints_(folder),
        durability_(durability),
        broker_({find_program("answermill-broker"), "--data", folder, "--jobs-endpoint", endpoints_("jobs"),
                 "--work-endpoint", endpoints_("work"), "--events-endpoint", endpoints_("events"),
                 "--worker-events-endpoint", endpoints_("worker_events"), "--query-endpoint",
                 endpoints_("query")},
                folder) {}
  std::unique_ptr<Producer> producer() override {
    return std::make_unique<AnswermillProducer>(endpoints_, durability_);
  }
  const Child& server() const override { return broker_; }
  std::unique_ptr<Consumer> consumer() override { return std::make_unique<AnswermillConsumer>(endpoints_); }

 private:
  Endpoints endpoints_;
  Durability durability_;
  Child broker_;
};

}  // namespace

PeerKind answermill_strict() {
  return {"answermill", "journal fsync before every acknowledgement, submission and completion",
          "answermill-broker", [](const std::string& folder) {
            return std::make_unique<Answermill>(folder, Durability::kStrict);
          }};
}

PeerKind answermill_relaxed() {
  return {
      "answermill relaxed", "taken in memory, journaled behind (questions)", "answermill-broker",
      [](const std::string& folder) { return std::make_unique<Answermill>(folder, Durability::kRelaxed); }};
}

}  // namespace answermill::bench
