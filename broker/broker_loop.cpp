#include "broker/broker_loop.h"

#include <pthread.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "broker/blobs/blob_service.h"
#include "broker/gate/bus_gate.h"
#include "broker/journal/records.h"
#include "shared/base/mailbox.h"
#include "shared/bus/notify.h"
#include "shared/bus/socket.h"
#include "shared/log/log.h"
#include "shared/messages/codec.h"

namespace answermill::broker {
namespace {

// How many messages one socket may be read in a turn before the others get theirs.
constexpr int kBurst = 256;
constexpr std::chrono::milliseconds kDoorRetry{5};

TimePoint present() { return std::chrono::steady_clock::now(); }

UniqueFd stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return UniqueFd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
}

class Loop : public Output {
 public:
  Loop(const BrokerOptions& options, Journal& journal, bus::Refusals& refusals)
      : journal_(journal),
        refusals_(refusals),
        context_(options.bus.empty() ? bus::Context::Reach::kHost : bus::Context::Reach::kNetwork),
        jobs_(context_, bus::Pattern::kPull),
        work_(context_, bus::Pattern::kRouter),
        events_(context_, bus::Pattern::kXpub),
        worker_events_(context_, bus::Pattern::kXsub),
        query_(context_, bus::Pattern::kRouter),
        core_(options.core, *this, journal.boot(), present()) {}

  Status bind(const BrokerOptions& options) {
    if (auto bound = jobs_.bind(options.jobs); !bound) return bound;
    if (auto bound = events_.bind(options.events); !bound) return bound;
    if (auto bound = worker_events_.bind(options.worker_events); !bound) return bound;
    if (auto bound = query_.bind(options.query); !bound) return bound;
    work_.set_patience(options.core.unanswered);
    if (auto bound = work_.bind(options.work); !bound) return bound;
    worker_events_.send({std::string_view("\x01", 1)});  // everything the workers publish
    return options.bus.empty() ? Status{} : open_gate(options);
  }

  Status recover() {
    core_.expect(journal_.expected_rows(JournalTable::kRequest), journal_.expected_rows(JournalTable::kJob));
    const auto rows =
        read_records(journal_, [this](JournalRecord&& record) { core_.recover(std::move(record)); });
    if (!rows) return rows.error();
    log::info("event=recovered boot={} rows={} set_aside={}", journal_.boot(), *rows, journal_.set_aside());
    journal_.start([this](std::uint64_t ticket) {
      mailbox_.post([this, ticket] { core_.on_committed(ticket, present()); });
    });
    core_.recovered(present());
    return {};
  }

  void run(const UniqueFd& signals) {
    bus::Poller poller;
    const auto stop = poller.add_descriptor(signals.get());
    const auto mail = poller.add_descriptor(mailbox_.fd());
    const auto jobs = poller.add(jobs_);
    const auto work = poller.add(work_);
    const auto subscriptions = poller.add(events_);
    const auto worker_events = poller.add(worker_events_);
    const auto queries = poller.add(query_);
    const auto keys = gate_ ? poller.add_descriptor(gate_->descriptor()) : stop;
    bus::notify_ready();
    while (!poller.ready(stop)) {
      poller.wait(doors_shut_ ? kDoorRetry : core_.next_tick());
      if (poller.ready(mail)) mailbox_.run_all();
      if (gate_ && (doors_shut_ || poller.ready(keys))) tend_gate(poller.ready(keys));
      // Asking a socket that has nothing is a system call, as dear as a few tokens.
      if (poller.ready(work)) read_work();
      if (poller.ready(worker_events)) read_worker_events();
      if (poller.ready(jobs)) read_jobs();
      if (poller.ready(subscriptions)) read_subscriptions();
      if (poller.ready(queries)) read_queries();
      const auto now = present();
      if (now >= next_tick_) {
        next_tick_ = now + core_.next_tick();
        core_.on_tick(now);
        bus::notify_watchdog();
      }
    }
    log::info("event=stopping");
  }

  bool send(const std::string& route, std::string frame) override {
    return !route.empty() && work_.send({route, frame}) != bus::SendStatus::kUnreachable;
  }
  void publish(std::string_view topic, std::string frame) override { events_.send({topic, frame}); }
  void publish_on(std::string_view, std::string_view) override { events_.send_on(parts_[0], parts_[1]); }
  void journal(std::vector<JournalOp> ops, std::uint64_t ticket) override { journal_.append(ops, ticket); }
  bool journal_healthy() const override { return journal_.healthy(); }
  void refused(bus::Refusal why, std::string_view detail) override { refusals_.note(why, detail, present()); }
  std::vector<messages::RefusalCount> refusals() const override {
    std::vector<messages::RefusalCount> counts;
    for (std::size_t i = 0; i < bus::kRefusals; ++i) {
      const auto why = static_cast<bus::Refusal>(i);
      if (const auto count = refusals_.count(why); count > 0)
        counts.push_back({std::string(bus::to_string(why)), count});
    }
    return counts;
  }

 private:
  Status open_gate(const BrokerOptions& options) {
    auto gate = BusGate::open(options.bus, options.data, context_,
                              {{bus::Channel::kJobs, &jobs_},
                               {bus::Channel::kWork, &work_},
                               {bus::Channel::kEvents, &events_},
                               {bus::Channel::kWorkerEvents, &worker_events_},
                               {bus::Channel::kQuery, &query_}},
                              refusals_);
    if (!gate) return gate.error();
    gate_ = std::move(*gate);
    return {};
  }

  void tend_gate(bool keys_changed) {
    if (keys_changed) {
      const auto change = gate_->reread(present());
      if (!change.revoked.empty()) core_.on_peers_dropped(change.revoked, change.dropped, present());
    }
    doors_shut_ = gate_->reopen(present());
  }

  // The next message of `count` frames and who sent it; others, and those of keys that may do nothing any
  // more, are counted and left out. Without a gate everybody is of this host.
  bool receive(bus::Socket& socket, std::size_t count, int& budget) {
    while (budget-- > 0 && (gate_ ? socket.receive(frames_, user_) : socket.receive(frames_))) {
      if (acceptable(frames_.back().size(), frames_.size(), count)) return true;
    }
    return false;
  }

  bool acceptable(std::size_t last_bytes, std::size_t count, std::size_t expected) {
    if (gate_) from_ = gate_->peer(user_);
    if (from_.roles.empty()) {
      refused(bus::Refusal::kUnknownKey, "a message of a key that was revoked");
    } else if (last_bytes > messages::kMaxMessageBytes) {
      refused(bus::Refusal::kOversize, "a message beyond 8 MB");
    } else if (count != expected) {
      refused(bus::Refusal::kMalformed, "a message with too few or too many frames");
    } else {
      return true;
    }
    return false;
  }

  void read_work() {
    for (int budget = kBurst; receive(work_, 2, budget);)
      core_.on_work_frame(frames_[0], frames_[1], present(), from_);
  }
  void read_worker_events() {
    // Tokens go on as the very messages that came: see publish_on().
    const auto now = present();
    std::size_t count = 0;
    for (int i = 0; i < 4 * kBurst && worker_events_.receive(parts_, count, gate_ ? &user_ : nullptr); ++i) {
      if (acceptable(parts_[count - 1].bytes().size(), count, 2))
        core_.on_event_frame(parts_[0].bytes(), parts_[1].bytes(), now, from_);
    }
  }
  void read_jobs() {
    for (int budget = kBurst; receive(jobs_, 1, budget);) core_.on_submit_frame(frames_[0], present());
  }
  void read_subscriptions() {
    for (int i = 0; i < kBurst && events_.receive(frames_); ++i) {
      const std::string& change = frames_[0];
      if (!change.empty() && change[0] == '\x01')
        core_.on_subscription(std::string_view(change).substr(1), present());
    }
  }
  void read_queries() {
    for (int budget = kBurst; receive(query_, 2, budget);) {
      const std::string answer = core_.on_query_frame(frames_[1], from_);
      if (!answer.empty()) query_.send({frames_[0], answer});
    }
  }

  Journal& journal_;
  bus::Refusals& refusals_;
  bus::Context context_;
  std::unique_ptr<BusGate> gate_;  // outlives the sockets it watches
  bus::Socket jobs_;
  bus::Socket work_;
  bus::Socket events_;
  bus::Socket worker_events_;
  bus::Socket query_;
  Mailbox mailbox_;
  Core core_;
  std::vector<std::string> frames_;
  std::vector<bus::Part> parts_;
  std::string user_;
  bus::Peer from_;
  bool doors_shut_ = false;
  TimePoint next_tick_{};
};

}  // namespace

Status run_broker(const BrokerOptions& options) {
  const UniqueFd signals = stop_signals();  // before any thread, so that all of them inherit the mask
  std::filesystem::create_directories(options.data);
  auto journal = Journal::open(options.data + "/journal.sqlite");
  if (!journal) return journal.error();
  bus::Refusals refusals;
  Loop loop(options, **journal, refusals);
  if (auto bound = loop.bind(options); !bound) return bound;
  if (auto recovered = loop.recover(); !recovered) return recovered;
  std::unique_ptr<BlobService> blobs;
  if (!options.blobs.empty() || !options.bus.empty()) {
    auto started = BlobService::start({options.blobs, options.data + "/blobs",
                                       static_cast<std::uint64_t>(options.blob_rate), options.bus,
                                       options.data, &refusals});
    if (!started) return started.error();
    blobs = std::move(*started);
  }
  loop.run(signals);
  journal->reset();  // writes what waits; its commits are not announced any more
  return {};
}

}  // namespace answermill::broker
