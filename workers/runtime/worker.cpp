#include "workers/runtime/worker.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <csignal>

#include "shared/base/mailbox.h"
#include "shared/bus/dialer.h"
#include "shared/bus/job_consumer.h"
#include "shared/bus/link.h"
#include "shared/bus/notify.h"
#include "shared/bus/socket.h"
#include "shared/log/log.h"

namespace answermill::runtime {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kTick{100};
constexpr std::chrono::milliseconds kDrainPatience{2500};  // running jobs may finish within this
constexpr std::chrono::milliseconds kGoodbyeLinger{300};

// Written by the signal handler, which may run on any thread; an eventfd's write is async-signal-safe.
int stop_event = -1;

void on_stop_signal(int) {
  const std::uint64_t one = 1;
  (void)!::write(stop_event, &one, sizeof one);
}

// A descriptor that becomes readable when the process is told to stop. It stays open as long as the process
// lives, since a late signal may still write to it.
int watch_stop_signals() {
  stop_event = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  struct sigaction action {};
  action.sa_handler = on_stop_signal;
  action.sa_flags = SA_RESTART;
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return stop_event;
}

class WorkerLoop : public bus::ConsumerOutput {
 public:
  WorkerLoop(Stage& stage, const bus::Dialer& dialer)
      : work_link_(context_, bus::Pattern::kDealer, dialer, bus::Channel::kWork),
        events_link_(context_, bus::Pattern::kXpub, dialer, bus::Channel::kWorkerEvents),
        work_(work_link_.socket()),
        events_(events_link_.socket()),
        consumer_(
            {stage.name(), stage.slots(), stage.detail()}, *this, mailbox_,
            [&stage](Job job, std::shared_ptr<JobHandle> handle) {
              stage.start(std::move(job), std::move(handle));
            },
            [&stage](const std::string& job) { stage.cancel(job); }) {
    work_.set_linger(kGoodbyeLinger);
  }

  Status connect() {
    if (auto connected = events_link_.open(); !connected) return connected;
    return work_link_.open();
  }

  void run(int stop_descriptor) {
    bus::Poller poller;
    const auto stop = poller.add_descriptor(stop_descriptor);
    poller.add_descriptor(mailbox_.fd());
    poller.add(work_);
    poller.add(events_);
    bool announced = false;
    while (!poller.ready(stop)) {
      poller.wait(kTick);
      turn();
      if (!announced && consumer_.welcomed()) {
        announced = true;
        bus::notify_ready();
      }
      bus::notify_watchdog();
    }
    drain();
  }

  void send_work(std::string frame) override {
    if (work_.send({frame}) != bus::SendStatus::kSent) log::warn("event=work_channel_full");
  }
  void publish(std::string_view topic, std::string frame) override { events_.send({topic, frame}); }

  bool idle() const { return consumer_.idle(); }

 private:
  void turn() {
    while (events_.receive(frames_)) {
      if (!frames_[0].empty() && frames_[0][0] == '\x01') consumer_.on_relay_subscribed(Clock::now());
    }
    while (work_.receive(frames_)) consumer_.on_work_frame(frames_[0], Clock::now());
    mailbox_.run_all();
    const auto now = Clock::now();
    events_link_.tend(now);
    work_link_.tend(now);
    consumer_.on_tick(now);
  }

  void drain() {
    bus::notify_stopping();
    consumer_.drain(Clock::now());
    bus::Poller poller;
    poller.add_descriptor(mailbox_.fd());
    poller.add(work_);
    const auto patience = Clock::now() + kDrainPatience;
    while (!consumer_.idle() && Clock::now() < patience) {
      poller.wait(kTick);
      turn();
    }
    consumer_.give_up();
  }

  bus::Context context_;
  bus::Link work_link_;
  bus::Link events_link_;
  bus::Socket& work_;
  bus::Socket& events_;
  Mailbox mailbox_;
  bus::JobConsumer consumer_;
  std::vector<std::string> frames_;
};

}  // namespace

void describe_bus(config::Table& table, WorkerOptions& options) {
  table
      .text("work-endpoint", &options.work_endpoint, {"ANSWERMILL_WORK_ENDPOINT"}, "ENDPOINT",
            "where the broker hands out jobs (ipc)")
      .text("events-endpoint", &options.events_endpoint, {"ANSWERMILL_EVENTS_ENDPOINT"}, "ENDPOINT",
            "where the broker takes events (ipc)")
      .text("bus", &options.bus, {"ANSWERMILL_BUS"}, "tcp://HOST:PORT",
            "instead of both: the broker of another host")
      .text("bus-key", &options.bus_key, {"ANSWERMILL_BUS_KEY"}, "FILE",
            "key to come in with, see answermill keys");
}

int run_worker(const WorkerOptions& options, Stage& stage) {
  const int stop = watch_stop_signals();
  const auto role = bus::role_for_stage(stage.name());
  const auto dialer = bus::Dialer::from_flags(
      options.bus, options.bus_key, role.value_or(bus::Role::kOperator),
      {{bus::Channel::kWork, options.work_endpoint}, {bus::Channel::kWorkerEvents, options.events_endpoint}});
  if (!dialer) {
    log::error("{}", dialer.error().message);
    return 2;
  }
  bool idle = false;
  {
    WorkerLoop loop(stage, *dialer);
    if (auto connected = loop.connect(); !connected) {
      log::error("{}", connected.error().message);
      return 1;
    }
    log::info("event=started stage={} slots={} detail=\"{}\"", stage.name(), stage.slots(), stage.detail());
    loop.run(stop);
    idle = loop.idle();
  }
  log::info("event=stopped stage={} idle={}", stage.name(), idle);
  // Threads of the stage may be deep in a computation whose job was given back: do not wait for them.
  if (!idle) std::_Exit(0);
  return 0;
}

}  // namespace answermill::runtime
