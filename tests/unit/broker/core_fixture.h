// A Core with hand-made surroundings: what it sends is collected, the journal commits when the test says so,
// workers are routes that may vanish, and time moves only on command.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "broker/core/core.h"
#include "shared/messages/codec.h"

namespace answermill::broker {

class FakeSurroundings : public Output {
 public:
  bool send(const std::string& route, std::string frame) override {
    if (gone.count(route) != 0) return false;
    sent[route].push_back(std::move(frame));
    return true;
  }
  void publish(std::string_view topic, std::string frame) override {
    published.emplace_back(std::string(topic), std::move(frame));
  }
  void journal(std::vector<JournalOp> ops, std::uint64_t ticket) override {
    waiting.emplace_back(ticket, std::move(ops));
  }
  bool journal_healthy() const override { return healthy; }

  // Makes the oldest `count` waiting transactions durable; the last ticket, or 0.
  std::uint64_t commit(std::size_t count = SIZE_MAX) {
    std::uint64_t last = 0;
    count = std::min(count, waiting.size());
    for (std::size_t i = 0; i < count; ++i) {
      auto& [ticket, ops] = waiting[i];
      last = ticket;
      for (auto& op : ops) {
        auto& table = disk[static_cast<int>(op.table)];
        if (op.erase) {
          table.erase(op.key);
        } else {
          table[op.key] = op.value;
        }
      }
    }
    waiting.erase(waiting.begin(), waiting.begin() + static_cast<std::ptrdiff_t>(count));
    return last;
  }

  std::vector<JournalRow> rows() const {
    std::vector<JournalRow> rows;
    for (const auto table :
         {JournalTable::kRequest, JournalTable::kGroup, JournalTable::kStream, JournalTable::kJob}) {
      const auto found = disk.find(static_cast<int>(table));
      if (found == disk.end()) continue;
      for (const auto& [key, value] : found->second) rows.push_back({table, key, value});
    }
    return rows;
  }

  // The next message of a kind for a route; skips others (probes, replies).
  template <class Message>
  std::optional<Message> take(const std::string& route, messages::WorkKind kind) {
    auto& queue = sent[route];
    for (auto frame = queue.begin(); frame != queue.end(); ++frame) {
      const auto split = messages::split_frame(*frame);
      if (split->kind != static_cast<std::uint8_t>(kind)) continue;
      auto message = messages::decode<Message>(split->body);
      queue.erase(frame);
      return std::move(*message);
    }
    return std::nullopt;
  }

  template <class Message>
  std::vector<Message> events(messages::EventKind kind) const {
    std::vector<Message> found;
    for (const auto& [topic, frame] : published) {
      const auto split = messages::split_frame(frame);
      if (split->kind == static_cast<std::uint8_t>(kind))
        found.push_back(std::move(*messages::decode<Message>(split->body)));
    }
    return found;
  }

  int terminals(const std::string& stream) const {
    int count = 0;
    for (const auto& batch : events<messages::StreamBatch>(messages::EventKind::kStream)) {
      for (const auto& event : batch.events) {
        count += batch.stream == stream && event.kind == messages::StreamEventKind::kTerminal ? 1 : 0;
      }
    }
    return count;
  }

  std::map<std::string, std::vector<std::string>> sent;
  std::vector<std::pair<std::string, std::string>> published;
  std::vector<std::pair<std::uint64_t, std::vector<JournalOp>>> waiting;
  std::map<int, std::map<std::string, std::string>> disk;
  std::set<std::string> gone;
  bool healthy = true;
};

inline constexpr char kTopic[] = "aaaaaaaaaaaaaaaa";
inline constexpr char kReply[] = "rrrrrrrrrrrrrrrr";
inline constexpr char kStream[] = "aaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbb";

inline messages::Submit submission(const std::string& request, const std::string& stage,
                                   messages::Durability durability) {
  messages::Submit submit;
  submit.reply_topic = kReply;
  submit.job.stage = stage;
  submit.job.op = "work";
  submit.job.tenant = "t";
  submit.job.request_id = request;
  submit.job.durability = durability;
  return submit;
}

inline messages::Submit question(const std::string& request = "q", const std::string& stream = kStream) {
  auto submit = submission(request, "generate", messages::Durability::kRelaxed);
  messages::StreamSpec spec;
  spec.id = stream;
  spec.completion.stage = "record";
  spec.completion.op = "answer";
  spec.completion.request_id = request;
  submit.stream = spec;
  submit.job.stream = stream;
  return submit;
}

// A Core on a clock that the test moves.
class Bench {
 public:
  explicit Bench(std::uint32_t boot = 1, CoreConfig config = {}) : config_(config) { restart(boot); }

  // kill -9: what was not committed is lost, and so is all memory.
  void restart(std::uint32_t boot) {
    out.waiting.clear();
    out.sent.clear();
    core = std::make_unique<Core>(config_, out, boot, now);
    core->recover(out.rows());
  }

  void submit(const messages::Submit& submit) {
    core->on_submit_frame(messages::encode_frame(messages::SubmitKind::kSubmit, submit), now);
  }
  void cancel_stream(const std::string& stream) {
    core->on_submit_frame(
        messages::encode_frame(messages::SubmitKind::kCancel, messages::Cancel{kReply, "t", stream, ""}),
        now);
  }
  void hello(const std::string& worker, const std::string& stage, std::uint32_t slots = 1,
             std::vector<messages::HeldJob> held = {}) {
    messages::Hello hello;
    hello.worker = worker;
    hello.stage = stage;
    hello.slots = slots;
    hello.held = std::move(held);
    core->on_work_frame(worker, messages::encode_frame(messages::WorkKind::kHello, hello), now);
  }
  void beat(const std::string& worker) {
    messages::Beat beat;
    beat.worker = worker;
    core->on_work_frame(worker, messages::encode_frame(messages::WorkKind::kBeat, beat), now);
  }
  std::optional<messages::Lease> lease(const std::string& worker) {
    return out.take<messages::Lease>(worker, messages::WorkKind::kLease);
  }
  void result(const std::string& worker, const messages::Lease& lease, messages::Outcome outcome = {}) {
    messages::JobResult result{worker, lease.spec.id, lease.attempt, lease.fence, std::move(outcome)};
    core->on_work_frame(worker, messages::encode_frame(messages::WorkKind::kResult, result), now);
  }
  std::optional<messages::Committed> committed(const std::string& worker) {
    return out.take<messages::Committed>(worker, messages::WorkKind::kCommitted);
  }
  void tokens(const messages::Lease& lease, std::vector<messages::StreamEvent> events) {
    const messages::StreamBatch batch{lease.spec.stream, lease.fence, std::move(events)};
    core->on_event_frame(kTopic, messages::encode_frame(messages::EventKind::kStream, batch), now);
  }
  void commit() {
    if (const auto ticket = out.commit()) core->on_committed(ticket, now);
  }
  void pass(std::chrono::milliseconds time) {
    now += time;
    core->on_tick(now);
  }

  FakeSurroundings out;
  TimePoint now{std::chrono::hours(1)};
  std::unique_ptr<Core> core;

 private:
  CoreConfig config_;
};

}  // namespace answermill::broker
