// Sender and receiver against each other over a network that loses, repeats and reorders, with cuts, restarts
// of the broker and deaths of the worker: in the end every blob is here, and little was sent twice.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <random>

#include "broker/blobs/blob_sender.h"
#include "tests/unit/blobs/folder.h"
#include "workers/runtime/blob_receiver.h"

namespace answermill {
namespace {

using broker::BlobSender;
using messages::BlobAsk;
using messages::BlobChunk;
using runtime::BlobReceiver;
using runtime::BlobReceiverConfig;
using runtime::BlobStep;
using std::chrono::milliseconds;

struct Faults {
  int lost = 0;  // percent of messages
  int repeated = 0;
  int reordered = 0;
  int cuts = 0;  // of ten thousand steps
  int broker_deaths = 0;
  int worker_deaths = 0;
};

class World {
 public:
  World(std::uint32_t seed, const Faults& faults) : random_(seed), faults_(faults) {
    config_.chunk = 100;
    config_.window = 8;
    const std::size_t count = 1 + random_() % 4;
    for (std::size_t i = 0; i < count; ++i) {
      Blob blob;
      blob.bytes = some_bytes(random_() % 12'000, seed + static_cast<std::uint32_t>(i));
      blob.hash = std::string(63, 'a') + static_cast<char>('0' + i);
      blobs_.push_back(std::move(blob));
    }
    for (auto& blob : blobs_) start(blob);
  }

  // False when it did not come to an end.
  bool run() {
    for (int step = 0; step < 200'000; ++step) {
      if (std::all_of(blobs_.begin(), blobs_.end(), [](const Blob& blob) { return blob.done; })) return true;
      one_step();
    }
    return false;
  }

  void check() const {
    for (const auto& blob : blobs_) {
      EXPECT_EQ(blob.file, blob.bytes);
      wanted_bytes_ += blob.bytes.size();
    }
    const std::uint64_t window = std::uint64_t{config_.window} * config_.chunk * blobs_.size();
    if (faults_.lost + faults_.repeated + faults_.reordered == 0) {
      EXPECT_LE(sent_, wanted_bytes_ + breaks_ * window) << "a cut costs a window at most";
    }
    EXPECT_LE(most_under_way_, std::uint64_t{config_.window} * config_.chunk);
  }

  std::uint64_t breaks() const { return breaks_; }

 private:
  struct Blob {
    std::string hash;
    std::string bytes;
    std::string file;  // outlives the worker
    std::unique_ptr<BlobReceiver> receiver;
    bool done = false;
  };
  struct Answer {
    BlobChunk chunk;
    std::string bytes;
  };

  bool chance(int percent) { return static_cast<int>(random_() % 100) < percent; }
  bool rarely(int of_ten_thousand) { return static_cast<int>(random_() % 10'000) < of_ten_thousand; }

  template <class Message>
  void transmit(std::deque<Message>& wire, Message message) {
    if (chance(faults_.lost)) return;
    if (chance(faults_.repeated)) wire.push_back(message);
    wire.push_back(std::move(message));
    if (chance(faults_.reordered)) std::swap(wire[random_() % wire.size()], wire.back());
  }

  void start(Blob& blob) {
    blob.receiver = std::make_unique<BlobReceiver>(config_, ++transfers_, blob.hash);
    apply(blob, blob.receiver->begin(blob.file.size(), now_));
  }

  void apply(Blob& blob, BlobStep step) {
    ASSERT_FALSE(step.failed) << step.failed->message;
    if (step.start_over) blob.file.clear();
    for (const auto& bytes : step.append) blob.file += bytes;
    for (auto& ask : step.asks) transmit(asks_, std::move(ask));
    if (step.verify) {
      blob.done = blob.file == blob.bytes;
      apply(blob, blob.receiver->on_verified(blob.done, now_));
    }
    most_under_way_ =
        std::max(most_under_way_, blob.file.size() < blob.bytes.size() ? asked_beyond(blob) : 0);
  }

  // How far beyond the written beginning asks of this blob reach.
  std::uint64_t asked_beyond(const Blob& blob) const {
    std::uint64_t beyond = 0;
    for (const auto& ask : asks_) {
      if (ask.transfer == blob.receiver->transfer() && ask.offset >= blob.file.size())
        beyond = std::max(beyond, ask.offset + ask.length - blob.file.size());
    }
    return beyond;
  }

  void one_step() {
    now_ += milliseconds(random_() % 3);
    if (rarely(faults_.cuts)) break_off(true);
    if (rarely(faults_.broker_deaths)) {
      sender_ = BlobSender({});
      break_off(true);
    }
    if (rarely(faults_.worker_deaths)) {
      break_off(true);
      for (auto& blob : blobs_) {
        if (!blob.done) start(blob);
      }
    }
    switch (random_() % 3) {
      case 0:
        if (!asks_.empty()) {
          sender_.on_ask(route_, std::move(asks_.front()));
          asks_.pop_front();
        }
        break;
      case 1:
        if (const auto turn = sender_.next(now_)) answer(*turn);
        break;
      default:
        if (!answers_.empty()) deliver();
    }
    for (auto& blob : blobs_) {
      if (!blob.done) apply(blob, blob.receiver->on_tick(now_));
    }
  }

  // Everything on its way is lost; the connection that follows is a new peer.
  void break_off(bool counts) {
    breaks_ += counts ? 1 : 0;
    asks_.clear();
    answers_.clear();
    sender_.gone(route_);
    route_ += "'";
  }

  void answer(const BlobSender::Turn& turn) {
    const auto& bytes = blob_of(turn.ask.hash).bytes;
    const auto piece = turn.ask.offset < bytes.size() ? bytes.substr(turn.ask.offset, turn.ask.length) : "";
    sent_ += piece.size();
    transmit(answers_, Answer{{turn.ask.transfer, turn.ask.offset, bytes.size()}, piece});
  }

  void deliver() {
    auto answer = std::move(answers_.front());
    answers_.pop_front();
    for (auto& blob : blobs_) {
      if (!blob.done && blob.receiver->transfer() == answer.chunk.transfer)
        apply(blob, blob.receiver->on_chunk(answer.chunk, std::move(answer.bytes), now_));
    }
  }

  const Blob& blob_of(const std::string& hash) const {
    return *std::find_if(blobs_.begin(), blobs_.end(), [&](const Blob& blob) { return blob.hash == hash; });
  }

  std::mt19937 random_;
  Faults faults_;
  BlobReceiverConfig config_;
  std::vector<Blob> blobs_;
  BlobSender sender_{{}};
  std::string route_ = "w";
  std::deque<BlobAsk> asks_;
  std::deque<Answer> answers_;
  BlobReceiver::TimePoint now_{std::chrono::hours(1)};
  std::uint64_t transfers_ = 0;
  std::uint64_t sent_ = 0;
  std::uint64_t breaks_ = 0;
  std::uint64_t most_under_way_ = 0;
  mutable std::uint64_t wanted_bytes_ = 0;
};

std::uint64_t run_seeds(const Faults& faults, std::uint32_t seeds) {
  std::uint64_t breaks = 0;
  for (std::uint32_t seed = 1; seed <= seeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World world(seed, faults);
    EXPECT_TRUE(world.run()) << "stuck";
    world.check();
    breaks += world.breaks();
    if (testing::Test::HasFailure()) break;
  }
  return breaks;
}

TEST(BlobTransfer, SendsEveryByteOnceWhenNothingHappens) { run_seeds({}, 200); }

TEST(BlobTransfer, SurvivesLossRepetitionAndReordering) { run_seeds({10, 10, 10, 0, 0, 0}, 200); }

TEST(BlobTransfer, CutsAndDeathsCostAWindowEach) {
  EXPECT_GT(run_seeds({0, 0, 0, 60, 40, 40}, 200), 400U) << "the faults must happen";
}

TEST(BlobTransfer, SurvivesEverythingAtOnce) { run_seeds({5, 5, 20, 30, 20, 20}, 200); }

}  // namespace
}  // namespace answermill
