// The broker's one state machine: submissions and results in, leases, events and journal records out.
//
// It knows jobs, groups and streams and nothing of documents. No sockets, no clock, no disk: the loop gives
// it messages and the time, and carries out what it asks of Output. A strict transition is taken in memory at
// once, but nothing of it is visible outside (no acknowledgement, no follow-up dispatched, no terminal event)
// before the journal has it; a relaxed one is visible at once and journaled behind.
//
// Thread: one (the bus loop).
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "broker/core/stream_index.h"
#include "broker/journal/journal.h"
#include "broker/journal/records.h"
#include "broker/queue/drain_rate.h"
#include "broker/queue/group_ledger.h"
#include "broker/queue/ready_queue.h"
#include "shared/bus/refusals.h"
#include "shared/bus/role.h"
#include "shared/messages/events.h"
#include "shared/messages/journal.h"
#include "shared/messages/query.h"
#include "shared/messages/submit.h"
#include "shared/messages/work.h"
#include "shared/streams/stream_budget.h"
#include "shared/streams/stream_log.h"

namespace answermill::broker {

struct CoreConfig {
  std::chrono::milliseconds beat{500};           // what workers are asked for
  std::chrono::milliseconds beat_missing{1900};  // silence after which a worker's jobs are freed
  std::chrono::milliseconds probe{200};          // how often the broker tries to reach each worker
  // A worker of this host whose I/O thread does not answer for so long has its connection closed: a stopped
  // process becomes unreachable before its silence counts, a hung loop does not.
  std::chrono::milliseconds unanswered{1200};
  std::chrono::milliseconds hold{2000};  // after a start: wait for workers to tell what they still run
  std::chrono::milliseconds progress_every{50};  // at most one progress event per group in this time
  std::chrono::milliseconds retry_base{100};     // full-jitter backoff
  std::chrono::milliseconds retry_most{15000};
  std::chrono::seconds no_progress{180};   // a started job without a sign of progress is taken away
  std::chrono::seconds keep_finished{60};  // finished streams and groups stay readable
  std::chrono::hours keep_requests{24};    // how long a request id is known
  std::uint32_t max_crashes = 3;
  std::uint32_t max_failures = 6;
  std::size_t max_open_jobs = 1'000'000;
  std::size_t max_open_streams = 100'000;
  std::size_t stream_memory = 256U << 20U;          // bytes of stream logs: beyond, ended ones leave early
  std::size_t max_uncommitted = 100'000;            // strict transitions that wait for the journal
  std::chrono::milliseconds full_disk_retry{1000};  // when to try again while the journal's disk is full
  TenantLimits tenants;
  std::uint64_t jitter_seed = std::random_device{}();
};

class Output {
 public:
  virtual ~Output() = default;
  // False when the peer cannot be reached any more.
  virtual bool send(const std::string& route, std::string frame) = 0;
  virtual void publish(std::string_view topic, std::string frame) = 0;
  // Publishes the event frame that the Core is being given, as it came.
  virtual void publish_on(std::string_view topic, std::string_view frame) {
    publish(topic, std::string(frame));
  }
  virtual void journal(std::vector<JournalOp> ops, std::uint64_t ticket) = 0;
  virtual bool journal_healthy() const = 0;
  // A message that was turned away; `detail` names the channel or the rule, never what the peer wrote.
  virtual void refused(bus::Refusal, std::string_view) {}
  virtual std::vector<messages::RefusalCount> refusals() const { return {}; }
};

class Core {
 public:
  Core(CoreConfig config, Output& output, std::uint32_t boot, TimePoint now);

  // What the journal kept, row by row: requests, groups and streams before jobs.
  void recover(JournalRecord&& row);
  void recover(const std::vector<JournalRow>& rows) {
    for (const auto& row : rows) recover(decode_row(row.table, row.key, row.value));
    recovered(started_);
  }
  // Before the first row: about how many will come.
  void expect(std::size_t requests, std::size_t jobs);
  // After the last row: closes what damaged rows left open. Workers and frontends can be heard from `now` on,
  // and have time to tell what they hold, however long the reading took.
  void recovered(TimePoint now);

  // Each takes the message as it came, the present time, and who sent it (by default this host).
  void on_submit_frame(std::string_view frame, TimePoint now);
  void on_work_frame(const std::string& route, std::string_view frame, TimePoint now,
                     const bus::Peer& from = {});
  void on_event_frame(std::string_view topic, std::string_view frame, TimePoint now,
                      const bus::Peer& from = {});
  void on_subscription(std::string_view topic, TimePoint now);
  // The answer, ready to send; empty for a malformed question.
  std::string on_query_frame(std::string_view frame, const bus::Peer& from = {});
  // The gate cut off all peers of these roles. Those whose key was revoked are gone; the others will be back.
  void on_peers_dropped(const std::set<std::string>& revoked, bus::RoleSet roles, TimePoint now);
  void on_committed(std::uint64_t ticket, TimePoint now);
  void on_tick(TimePoint now);

  std::chrono::milliseconds next_tick() const {
    if (releasing_) return std::chrono::milliseconds(0);
    if (!streams_.empty()) return kPartPause;
    return dirty_groups_.empty() ? config_.probe : config_.progress_every;
  }
  std::uint64_t malformed() const { return malformed_; }

 private:
  static constexpr std::chrono::milliseconds kPartPause{20};
  enum class JobState { kUncommitted, kHeld, kReady, kWaiting, kLeased };

  struct Job {
    messages::StoredJob stored;
    JobState state = JobState::kUncommitted;
    bool recovered = false;
    std::uint64_t fence = 0;
    std::uint64_t adopted_from = 0;  // the fence under which its worker brought it to this broker
    std::string worker;              // leased to, or routed to
    TimePoint leased_at{};
    TimePoint deadline = TimePoint::max();
    bool started = false;
    bool in_flight = false;  // counted against its tenant's cap
    std::uint32_t told_position = 0;
    std::uint64_t activity = 0;
    TimePoint active_at{};
    TimePoint named_at{};  // by its worker's beat
  };

  struct Worker {
    explicit Worker(const Tenants* tenants) : own(tenants) {}
    std::string name;
    std::string route;
    messages::Hello hello;
    std::uint32_t slots = 0;
    std::set<std::string> held;
    ReadyQueue own;  // routed jobs
    TimePoint heard{};
    bool draining = false;
    bus::Peer peer;
    bool away = false;             // from another host and cut off: it may be back before its silence counts
    std::uint32_t dead_slots = 0;  // where work hung beside a live loop: tried again after a while
    std::optional<TimePoint> slot_died_at;  // the last one, since it greeted
    std::uint32_t free() const {
      const auto taken = static_cast<std::uint32_t>(held.size()) + dead_slots;
      return draining || away || taken >= slots ? 0 : slots - taken;
    }
  };

  struct Stage {
    explicit Stage(const Tenants* tenants) : ready(tenants) {}
    ReadyQueue ready;
    std::set<std::string> homeless;  // routed jobs without a worker to go to
    messages::StageStatus status;
  };

  struct Stream {
    Stream(messages::StreamSpec what, std::string whose)
        : spec(std::move(what)), tenant(std::move(whose)), log(spec.id) {}
    std::string_view id() const { return log.stream(); }
    messages::StreamSpec spec;
    std::string tenant;
    streams::StreamLog log;
    std::string owner;  // the job that writes it
    bool has_spec = false;
    bool from_before = false;  // older than this broker: readers may have seen more than what is here
    bool claimed = false;      // its frontend has told this broker what it shows
    // Brought by a worker before its frontend came back: perhaps another worker had written on, and people
    // have read that. Nothing of it is shown, and no result taken, until the frontend or the time has spoken.
    bool quiet = false;
    std::uint64_t quiet_after = 0;                                        // the last number that was shown
    std::optional<std::pair<std::string, messages::JobResult>> deferred;  // (route, result)
    bool ending = false;  // its terminal event waits for the commit and must not be seen before
    bool open = true;     // counts among its tenant's
    bool recorded = false;
    TimePoint evict_at = TimePoint::max();
    TimePoint resend_at{};
    std::size_t weighed = 0;  // bytes, as its budget knows them
  };

  static constexpr std::size_t kTopicParts = std::chrono::seconds(1) / kPartPause;
  using Topics = std::unordered_map<std::string, std::set<Stream*>>;

  struct Group {
    GroupLedger ledger;
    std::set<std::string> jobs;
    TimePoint published{};
    TimePoint evict_at = TimePoint::max();
  };

  struct Route {
    std::string worker;
    std::uint64_t epoch = 0;
  };

  // One transition: what the journal must hold, and what becomes visible afterwards.
  struct Transition {
    std::vector<JournalOp> ops;
    std::vector<std::function<void(TimePoint)>> effects;
    bool strict = false;
  };

  // transition.cpp
  void commit(Transition transition, TimePoint now);
  void put_job(Transition& transition, const Job& job);
  void erase_row(Transition& transition, JournalTable table, const std::string& key);
  void put_group(Transition& transition, const Group& group);
  void recover_job(messages::StoredJob&& stored);
  std::string new_job_id();
  std::uint64_t new_fence() { return (std::uint64_t{boot_} << 32U) | ++fence_counter_; }

  // intake.cpp
  void on_submit(messages::Submit submit, TimePoint now);
  bool adopted_already(const messages::Submit& submit) const;
  void take_shown(Stream& stream, const messages::StreamState& shown, TimePoint now);
  void claim(Stream& stream, const messages::Submit& submit);
  const KnownRequest& remember_request(std::string key, KnownRequest request, TimePoint now);
  void on_repeated_submit(const messages::Submit& submit, const Sha256Digest& digest,
                          const KnownRequest& known, TimePoint now);
  void on_cancel(const messages::Cancel& cancel, TimePoint now);
  void acknowledge(const std::string& topic, const messages::SubmitAck& ack);
  std::optional<Error> refusal(const messages::Submit& submit) const;
  std::optional<Error> too_much(const messages::Submit& submit) const;
  std::chrono::milliseconds retry_after(const messages::Submit& submit, TimePoint now);

  // dispatch.cpp
  Job& add_job(Job job);
  void count_in(Job& job);
  Stage& stage(const std::string& name) { return stages_.try_emplace(name, &tenants_).first->second; }
  void begin_flight(Job& job);
  void end_flight(Job& job);
  void make_ready(const std::string& id, TimePoint now, bool front = false);
  void stand_in_line(Job& job, TimePoint now, bool front);
  Worker* owner_of(const Job& job, std::uint64_t* epoch);
  void dispatch(TimePoint now);
  void dispatch_stage(const std::string& name, Stage& stage, TimePoint now);
  void lease(Job& job, Worker& worker, TimePoint now);
  void unqueue(Job& job);
  void take_away(Job& job, messages::RevokeReason reason);
  void open_lease(Job& job, messages::Lease& lease);
  void forget_job(const std::string& id);

  // work.cpp
  void on_hello(const std::string& route, messages::Hello hello, TimePoint now, const bus::Peer& from);
  std::uint64_t adopt(Worker& worker, const messages::HeldJob& held, TimePoint now);
  bool may_adopt_unknown(const messages::HeldJob& held, TimePoint now);
  bool is_stale(const Job& job, const Worker& worker, const messages::HeldJob& held) const;
  void take_back_lost_leases(Worker& worker, const messages::Beat& beat, TimePoint now);
  void on_beat(const std::string& route, const messages::Beat& beat, TimePoint now);
  void on_result(const std::string& route, messages::JobResult result, TimePoint now);
  void on_goodbye(const std::string& route, TimePoint now);
  Worker* worker_by_route(const std::string& route);
  enum class Loss {
    kLeft,         // it said goodbye, or its key was revoked
    kSilent,       // stopped, cut off or dead: nobody can tell
    kUnreachable,  // its process ended
    kHung,         // its process lives and its loop does not turn
  };
  static std::string_view name_of(Loss loss);
  Loss unreachable(const Worker& worker, TimePoint now) const;
  void lose_worker(const std::string& name, Loss loss, TimePoint now);
  std::set<std::string> in_work(const Worker& worker, Loss loss) const;
  void hand_on(const std::deque<std::string>& jobs, TimePoint now);
  void reassign_routes(const std::string& worker, TimePoint now);
  bool may_greet(const messages::Hello& hello, const bus::Peer& from) const;

  // refusal.cpp
  void refuse_bytes(std::string_view bytes, std::string_view channel);
  bool is_writer(const Stream& stream, const bus::Peer& from) const;
  void cut_off(Worker& worker, TimePoint now);

  // outcome.cpp
  void job_done(Job& job, messages::Outcome outcome, Worker& worker, TimePoint now);
  void job_failed(Job& job, const messages::Outcome& outcome, Worker& worker, TimePoint now);
  void count_failure(Job& job, const messages::Outcome& outcome);
  std::chrono::milliseconds full_jitter(std::uint32_t nth);
  void retry(Job& job, TimePoint now, std::uint32_t nth);
  void set_aside(Transition& transition, Job& job, ErrorCode code, const std::string& message, TimePoint now);
  std::vector<std::string> add_followups(Transition& transition, const Job& job,
                                         const messages::Outcome& outcome, TimePoint now);
  void close_group_if_complete(Transition& transition, const std::string& id);
  void cancel_group(Transition& transition, const std::string& id, TimePoint now);
  void job_completed_something(Transition& transition, const Job& job, TimePoint now);

  // relay.cpp
  Stream& open_stream(const messages::StreamSpec& spec, bool has_spec, const std::string& tenant,
                      Transition& transition);
  void on_batch(Stream& stream, std::string_view topic, std::string_view frame, TimePoint now,
                const bus::Peer& from);
  void apply_events(Stream& stream, std::uint64_t epoch, const std::vector<messages::StreamEvent>& events);
  bool remember_stream(Job& job);
  void publish_events(const Stream& stream, std::vector<messages::StreamEvent> events);
  void adopt_stream(const Job& job, const messages::HeldJob& held, TimePoint now);
  void speak(Stream& stream, TimePoint now);
  void settle(Stream& stream, std::vector<messages::StreamEvent>& events);
  static std::uint64_t shown_next(const Stream& stream);
  static messages::StreamState shown_state(const Stream& stream);
  void end_stream(Transition& transition, const std::string& id, messages::TerminalEvent terminal,
                  TimePoint now);
  void tell_end(Stream& stream);
  void add_record_job(Transition& transition, Stream& stream);
  void ask_resend(Stream& stream, TimePoint now);
  void publish_progress(Group& group, TimePoint now);

  // liveness.cpp
  void check_workers(TimePoint now);
  void expire_jobs(TimePoint now);
  void check_progress(TimePoint now);
  void release_held(TimePoint now);
  void end_lost_streams(TimePoint now);
  void publish_fleet(TimePoint now);
  void publish_positions();
  void tell_position(Job& job, std::uint32_t position);
  void evict(TimePoint now);

  // stream_memory.cpp
  void tend_streams(TimePoint now);
  void weigh(Stream& stream);
  void close_stream(Stream& stream);
  void let_go(Stream& stream, TimePoint now);
  void drop_stream(const std::string& id);
  Topics& topics_beside(std::string_view topic) {
    return topics_[std::hash<std::string_view>{}(topic) % kTopicParts];
  }

  CoreConfig config_;
  Output& output_;
  std::uint32_t boot_;
  std::uint64_t fence_counter_ = 0;
  std::uint64_t job_counter_ = 0;
  TimePoint started_;
  TimePoint hold_until_;

  Tenants tenants_;
  std::unordered_map<std::string, Job> jobs_;
  std::map<std::string, Worker> workers_;                  // by name
  std::unordered_map<std::string, std::string> by_route_;  // route → name
  std::map<std::string, Stage> stages_;
  std::map<std::pair<std::string, std::string>, Route> routes_;  // (stage, key)
  std::unordered_map<std::string, Stream> streams_;
  StreamIndex<Stream> stream_index_;  // the same, for every event's look
  messages::StreamBatchView batch_;   // of the frame at hand; keeps its memory
  // By topic, in as many parts as are tended in a second: ten thousand beacons at once would hold up tokens.
  std::array<Topics, kTopicParts> topics_;
  std::size_t present_part_ = 0;
  TimePoint next_part_{};
  streams::StreamBudget stream_budget_{config_.stream_memory};
  std::size_t open_streams_ = 0;
  std::uint64_t jobs_closed_ = 0;
  std::uint64_t streams_closed_ = 0;
  DrainRate jobs_drain_;
  DrainRate journal_drain_;
  DrainRate streams_drain_;
  std::uint64_t streams_evicted_ = 0;  // before their time
  std::unordered_map<std::string, Group> groups_;
  std::set<std::string> dirty_groups_;
  std::unordered_map<std::string, KnownRequest> requests_;
  std::deque<std::pair<TimePoint, const std::string*>> requests_order_;  // by age; keys of requests_
  std::multimap<TimePoint, std::string> waiting_;                        // retries
  std::set<std::pair<TimePoint, std::string>> deadlines_;                // of jobs that have one
  // By priority: jobs that wait until workers have told what they still run, and perhaps some that do not.
  std::array<std::vector<std::string>, 3> held_;
  std::size_t released_ = 0;  // of the first that is not empty
  bool settled_ = false;      // that time is over
  bool releasing_ = false;
  std::set<std::string> completing_;  // groups whose completion job was recovered

  // Results that were taken: a repeated one is answered, not refused. Bounded by age and number.
  struct Taken {
    std::uint64_t fence;
    std::uint64_t ticket;
  };
  std::unordered_map<std::string, Taken> taken_;
  std::deque<std::pair<TimePoint, std::string>> taken_order_;

  std::uint64_t ticket_ = 0;
  std::uint64_t durable_ = 0;
  std::deque<std::pair<std::uint64_t, std::vector<std::function<void(TimePoint)>>>> pending_;

  std::minstd_rand random_;
  std::vector<std::string> lost_;  // workers found gone while sending
  TimePoint next_probe_{};
  TimePoint next_second_{};
  bool fleet_changed_ = true;
  std::uint64_t malformed_ = 0;
};

}  // namespace answermill::broker
