#include "bench/relay/writers.h"

#include <algorithm>
#include <chrono>

#include "bench/queue/peer.h"
#include "shared/base/ids.h"
#include "shared/messages/codec.h"
#include "shared/messages/submit.h"

namespace answermill::bench {

using namespace messages;
using Clock = std::chrono::steady_clock;

namespace {
constexpr std::size_t kSlots = 500;  // answers that one process writes at once
constexpr std::chrono::milliseconds kBeat{500};
constexpr std::chrono::seconds kPatience{60};
}  // namespace

Writers::Writers(const std::string& jobs_endpoint, const std::string& work_endpoint,
                 const std::vector<std::string>& streams) {
  const std::size_t count = (streams.size() + kSlots - 1) / kSlots;
  for (std::size_t i = 0; i < count; ++i) greet(work_endpoint, i, kSlots);
  bus::Socket jobs(context_, bus::Pattern::kPush);
  if (!jobs.connect(jobs_endpoint)) throw PeerError("no broker");
  jobs.set_linger(std::chrono::seconds(1));
  for (const auto& stream : streams) {
    Submit submit;
    submit.job.stage = "bench";
    submit.job.op = "write";
    submit.job.tenant = "t";
    submit.job.request_id = stream;
    submit.job.durability = Durability::kRelaxed;
    submit.job.stream = stream;
    submit.stream.emplace();
    submit.stream->id = stream;
    const std::string frame = encode_frame(SubmitKind::kSubmit, submit);
    while (jobs.send({frame}) == bus::SendStatus::kFull) std::this_thread::yield();
  }
  take_leases(streams.size());
  thread_ = std::thread([this] { beat_until_stopped(); });
}

Writers::~Writers() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
}

void Writers::greet(const std::string& work_endpoint, std::size_t index, std::size_t slots) {
  Worker worker{std::make_unique<bus::Socket>(context_, bus::Pattern::kDealer), {}};
  if (!worker.socket->connect(work_endpoint)) throw PeerError("no broker");
  Hello hello;
  hello.worker = worker.beat.worker = "writer-" + std::to_string(index);
  hello.stage = "bench";
  hello.slots = worker.beat.slots = static_cast<std::uint32_t>(slots);
  worker.socket->send({encode_frame(WorkKind::kHello, hello)});
  workers_.push_back(std::move(worker));
}

void Writers::take_leases(std::size_t expected) {
  const auto give_up = Clock::now() + kPatience;
  bus::Poller poller;
  for (auto& worker : workers_) poller.add(*worker.socket);
  auto next_beat = Clock::now() + kBeat;
  while (written_.size() < expected) {
    if (Clock::now() > give_up) throw PeerError("the broker does not give out its jobs");
    poller.wait(std::chrono::milliseconds(50));
    for (auto& worker : workers_) hear(worker);
    if (Clock::now() < next_beat) continue;
    next_beat = Clock::now() + kBeat;
    for (auto& worker : workers_) worker.socket->send({encode_frame(WorkKind::kBeat, worker.beat)});
  }
}

void Writers::hear(Worker& worker) {
  while (worker.socket->receive(frames_)) {
    const auto frame = split_frame(frames_.at(0));
    if (!frame) continue;
    if (frame->kind == static_cast<std::uint8_t>(WorkKind::kResend)) ++resends_;
    if (frame->kind == static_cast<std::uint8_t>(WorkKind::kWelcome)) {
      if (const auto welcome = decode<Welcome>(frame->body)) worker.beat.boot = welcome->boot;
    }
    if (frame->kind != static_cast<std::uint8_t>(WorkKind::kLease)) continue;
    const auto lease = decode<Lease>(frame->body);
    if (!lease) continue;
    worker.beat.jobs.push_back({lease->spec.id, lease->fence, false, 0, 0, 0});
    written_.push_back({lease->spec.stream, lease->fence, lease->stream.next_seq});
  }
}

// One worker after another, as processes that know nothing of each other do.
void Writers::beat_until_stopped() {
  const auto pause = kBeat / workers_.size();
  for (std::size_t i = 0; !stop_; i = (i + 1) % workers_.size()) {
    Worker& worker = workers_[i];
    ++worker.beat.number;
    worker.socket->send({encode_frame(WorkKind::kBeat, worker.beat)});
    hear(worker);
    std::this_thread::sleep_for(pause);
  }
}

}  // namespace answermill::bench
