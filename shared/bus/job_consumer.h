// The worker's side of the work channel: says hello, takes leases, beats, sends results and keeps each until
// it is committed. Used by every worker process and by frontends (for the `record` stage).
//
// Driven by a loop that owns the sockets: frames and the time go in, frames come out through ConsumerOutput.
// Job handles given to the stage may be used from any thread; what they say reaches the loop through its
// mailbox.
//
// Thread: the loop's, except JobHandle.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "shared/base/mailbox.h"
#include "shared/bus/job.h"
#include "shared/messages/work.h"

namespace answermill::bus {

class ConsumerOutput {
 public:
  virtual ~ConsumerOutput() = default;
  virtual void send_work(std::string frame) = 0;
  virtual void publish(std::string_view topic, std::string frame) = 0;
};

struct ConsumerConfig {
  std::string stage;
  std::uint32_t slots = 1;
  std::string detail;
};

class JobConsumer {
 public:
  using Clock = std::chrono::steady_clock;
  using Start = std::function<void(Job, std::shared_ptr<JobHandle>)>;
  using CancelJob = std::function<void(const std::string& job)>;

  JobConsumer(ConsumerConfig config, ConsumerOutput& output, Mailbox& mailbox, Start start, CancelJob cancel);
  ~JobConsumer();

  // The relay listens to what we publish: from now on we may ask for work.
  void on_relay_subscribed(Clock::time_point now);
  void on_work_frame(std::string_view frame, Clock::time_point now);
  void on_tick(Clock::time_point now);

  // Gives back what has not started; running jobs may finish. give_up() gives back those too and says
  // goodbye.
  void drain(Clock::time_point now);
  void give_up();
  bool idle() const;  // nothing held, nothing waiting for a commit
  bool welcomed() const { return state_ == State::kWelcomed; }

 private:
  class Handle;
  enum class State { kSilent, kGreeting, kWelcomed };

  void say_hello(Clock::time_point now);
  void on_welcome(const messages::Welcome& welcome, Clock::time_point now);
  void on_lease(messages::Lease lease, Clock::time_point now);
  void on_committed(const messages::Committed& committed);
  void on_revoked(const messages::Revoke& revoke);
  void on_beat_reply(const messages::BeatReply& reply, Clock::time_point now);
  void on_resend(const messages::Resend& resend);
  void beat(Clock::time_point now);
  void publish(Handle& job, std::vector<messages::StreamEvent> events);
  void flush(const std::shared_ptr<Handle>& job);
  void finish(const std::shared_ptr<Handle>& job, messages::Outcome outcome);
  void send_result(Handle& job);
  void drop(const std::string& job);
  void release(Handle& job);

  ConsumerConfig config_;
  ConsumerOutput& output_;
  Mailbox& mailbox_;
  Start start_;
  CancelJob cancel_;
  std::string worker_;
  std::string host_;
  State state_ = State::kSilent;
  std::uint64_t boot_ = 0;
  std::uint64_t beat_number_ = 0;
  std::chrono::milliseconds beat_every_{500};
  Clock::time_point next_beat_{};
  Clock::time_point greeted_{};
  bool draining_ = false;
  std::map<std::string, std::shared_ptr<Handle>> held_;  // by job id
  std::shared_ptr<bool> alive_;  // handles that outlive us find out here, on the loop thread
};

}  // namespace answermill::bus
