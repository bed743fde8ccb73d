#include "workers/runtime/blob_fetcher.h"

#include <sys/resource.h>

#include <algorithm>
#include <future>
#include <list>
#include <utility>
#include <vector>

#include "shared/bus/link.h"
#include "shared/log/log.h"
#include "shared/messages/codec.h"

namespace answermill::runtime {
namespace {

using Clock = std::chrono::steady_clock;
using namespace messages;

constexpr std::chrono::milliseconds kIdle{500};
constexpr int kBurst = 32;
constexpr int kNice = 5;  // what moves bytes gives way to what people wait for

}  // namespace

bool BlobFetch::wait_for(std::chrono::milliseconds most) {
  std::unique_lock lock(mutex_);
  return over_.wait_for(lock, most, [this] { return result_.has_value(); });
}

Result<UniqueFd> BlobFetch::take() {
  const std::lock_guard lock(mutex_);
  return std::move(*result_);
}

void BlobFetch::finish(Result<UniqueFd> result) {
  {
    const std::lock_guard lock(mutex_);
    result_.emplace(std::move(result));
  }
  over_.notify_all();
}

struct BlobFetcher::Transfer {
  explicit Transfer(std::string wanted) : hash(std::move(wanted)) {}

  std::string hash;
  std::vector<std::shared_ptr<BlobFetch>> wants;
  std::optional<store::PartialBlob> part;  // none: not our turn, or another process has it
  std::optional<BlobReceiver> receiver;    // none: the beginning is being read
  std::uint64_t resumed_at = 0;
  std::uint64_t seen = 0;  // of another process's part
  Clock::time_point began{};
  Clock::time_point grew{};
  bool over = false;
};

class BlobFetcher::Loop {
 public:
  Loop(const BlobFetcherOptions& options, bus::Dialer dialer, store::BlobCache& cache, Mailbox& mailbox)
      : options_(options),
        cache_(cache),
        mailbox_(mailbox),
        dialer_(std::move(dialer)),
        link_(context_, bus::Pattern::kDealer, dialer_, bus::Channel::kBlobs),
        socket_(link_.socket()) {}

  ~Loop() {
    for (auto& transfer : transfers_) end(transfer, Error{ErrorCode::kCancelled, "the worker is stopping"});
  }

  Status connect() { return link_.open(); }
  void stop() { stopping_ = true; }

  void run() {
    bus::Poller poller;
    poller.add(socket_);
    poller.add_descriptor(mailbox_.fd());
    while (!stopping_) {
      poller.wait(until_next(Clock::now()));
      mailbox_.run_all();
      link_.tend(Clock::now());
      for (int i = 0; i < kBurst && socket_.receive(frames_); ++i) on_message();
      drive();
    }
  }

  void want(const std::shared_ptr<BlobFetch>& fetch) {
    const auto found = std::find_if(transfers_.begin(), transfers_.end(), [&](const Transfer& transfer) {
      return !transfer.over && transfer.hash == fetch->hash();
    });
    Transfer& transfer = found != transfers_.end() ? *found : transfers_.emplace_back(fetch->hash());
    transfer.wants.push_back(fetch);
  }

  void leave(const std::shared_ptr<BlobFetch>& fetch) {
    for (auto& transfer : transfers_) {
      const auto found = std::find(transfer.wants.begin(), transfer.wants.end(), fetch);
      if (found == transfer.wants.end()) continue;
      transfer.wants.erase(found);
      if (!transfer.wants.empty()) continue;
      if (transfer.receiver) {
        socket_.send({encode_frame(BlobKind::kStop, BlobStop{transfer.receiver->transfer()})});
        log::info("event=blob_stopped hash={} have={} bytes={}", transfer.hash, transfer.receiver->have(),
                  transfer.receiver->size());
      }
      transfer.over = true;
    }
  }

 private:
  // How long nothing needs to be done unless something arrives.
  std::chrono::milliseconds until_next(Clock::time_point now) const {
    std::chrono::milliseconds wait = kIdle;
    std::size_t active = 0;
    for (const auto& transfer : transfers_) {
      if (++active > options_.most_transfers) break;
      if (transfer.receiver) {
        const auto tick = transfer.receiver->next_tick();
        wait = std::min(wait, tick <= now ? std::chrono::milliseconds(0)
                                          : std::chrono::ceil<std::chrono::milliseconds>(
                                                std::min(tick - now, Clock::duration(kIdle))));
      } else {
        wait = transfer.part ? std::chrono::milliseconds(0) : std::min(wait, options_.watch_every);
      }
    }
    return wait;
  }

  void on_message() {
    const auto frame = split_frame(frames_[0]);
    if (!frame) return;
    switch (static_cast<BlobKind>(frame->kind)) {
      case BlobKind::kChunk: {
        const auto chunk = decode<BlobChunk>(frame->body);
        if (!chunk || frames_.size() != 2) break;
        if (Transfer* transfer = by_number(chunk->transfer))
          apply(*transfer, transfer->receiver->on_chunk(*chunk, std::move(frames_[1]), Clock::now()));
        return;
      }
      case BlobKind::kRefused: {
        const auto refused = decode<BlobRefused>(frame->body);
        if (!refused) break;
        if (Transfer* transfer = by_number(refused->transfer))
          apply(*transfer, transfer->receiver->on_refused(*refused));
        return;
      }
      case BlobKind::kAsk:
      case BlobKind::kStop:
        break;  // ours to say
    }
    log::warn("event=malformed channel=blobs");
  }

  Transfer* by_number(std::uint64_t number) {
    for (auto& transfer : transfers_) {
      if (!transfer.over && transfer.receiver && transfer.receiver->transfer() == number) return &transfer;
    }
    return nullptr;
  }

  void drive() {
    transfers_.remove_if([](const Transfer& transfer) { return transfer.over; });
    const auto now = Clock::now();
    std::size_t active = 0;
    for (auto& transfer : transfers_) {
      if (++active > options_.most_transfers) break;
      if (transfer.began == Clock::time_point{}) transfer.began = transfer.grew = now;
      if (!transfer.part && !transfer.over) claim(transfer, now);
      if (transfer.part && !transfer.receiver) read_on(transfer, now);
      if (transfer.receiver && !transfer.over) apply(transfer, transfer.receiver->on_tick(now));
    }
    if (now >= expire_at_) {
      expire_at_ = now + options_.expire_every;
      cache_.expire(std::chrono::system_clock::now());
    }
  }

  void claim(Transfer& transfer, Clock::time_point now) {
    const bool hangs = now - transfer.grew > options_.hung_after;
    auto part = hangs ? cache_.take_over(transfer.hash) : cache_.claim(transfer.hash);
    if (part) {
      transfer.part.emplace(std::move(*part));
    } else if (part.error().code == ErrorCode::kBusy) {
      watch(transfer, now);
    } else {
      end(transfer, part.error());
    }
  }

  // Another process receives it.
  void watch(Transfer& transfer, Clock::time_point now) {
    const auto size = cache_.part_size(transfer.hash);
    if (size == transfer.seen) return;
    transfer.seen = size;
    transfer.grew = now;
    for (const auto& want : transfer.wants) want->advance();
  }

  // What an earlier transfer left is hashed before anything is added to it.
  void read_on(Transfer& transfer, Clock::time_point now) {
    const auto whole = transfer.part->read_on();
    if (!whole) return end(transfer, whole.error());
    for (const auto& want : transfer.wants) want->advance();
    if (!*whole) return;
    transfer.resumed_at = transfer.part->size();
    transfer.receiver.emplace(options_.receiver, ++last_number_, transfer.hash);
    apply(transfer, transfer.receiver->begin(transfer.resumed_at, now));
  }

  void apply(Transfer& transfer, BlobStep step) {
    if (step.failed) return end(transfer, *step.failed);
    if (const auto stored = store_step(transfer, step); !stored) return end(transfer, stored.error());
    for (const auto& ask : step.asks) socket_.send({encode_frame(BlobKind::kAsk, ask)});
    if (step.verify) verify(transfer);
  }

  Status store_step(Transfer& transfer, const BlobStep& step) {
    if (step.start_over) {
      if (auto cut = transfer.part->start_over(); !cut) return cut;
    }
    if (step.size_known) {
      if (auto room = cache_.make_room(*transfer.part, transfer.receiver->size()); !room) return room;
    }
    for (const auto& bytes : step.append) {
      if (auto wrote = transfer.part->append(bytes); !wrote) return wrote;
      for (const auto& want : transfer.wants) want->advance();
    }
    return {};
  }

  void verify(Transfer& transfer) {
    auto whole = transfer.part->finish();
    if (whole) {
      transfer.receiver->on_verified(true, Clock::now());
      return end(transfer, std::move(whole));
    }
    if (whole.error().code != ErrorCode::kDamaged) return end(transfer, whole.error());
    log::warn("event=blob_damaged hash={} bytes={} resumed_at={}", transfer.hash, transfer.part->size(),
              transfer.resumed_at);
    apply(transfer, transfer.receiver->on_verified(false, Clock::now()));
  }

  void end(Transfer& transfer, Result<UniqueFd> result) {
    if (transfer.over) return;
    transfer.over = true;
    report(transfer, result);
    if (!result && transfer.part &&
        (result.error().code == ErrorCode::kDiskFull || result.error().code == ErrorCode::kDamaged))
      transfer.part->remove();
    transfer.part.reset();
    for (std::size_t i = 1; i < transfer.wants.size(); ++i) {  // each has a descriptor of its own
      transfer.wants[i]->finish(result ? cache_.open(transfer.hash, {}) : Result<UniqueFd>(result.error()));
    }
    if (!transfer.wants.empty()) transfer.wants.front()->finish(std::move(result));
  }

  static void report(const Transfer& transfer, const Result<UniqueFd>& result) {
    const auto counts = transfer.receiver ? transfer.receiver->counts() : BlobReceiverCounts{};
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - transfer.began);
    if (result) {
      log::info(
          "event=blob_fetched hash={} bytes={} resumed_at={} received={} duplicate={} asked_again={} "
          "damaged={} ms={}",
          transfer.hash, transfer.receiver->size(), transfer.resumed_at, counts.received, counts.duplicate,
          counts.asked_again, counts.damaged, ms.count());
    } else if (result.error().code != ErrorCode::kConflict) {
      log::warn("event=blob_failed hash={} code={} received={} damaged={} ms={} message=\"{}\"",
                transfer.hash, to_string(result.error().code), counts.received, counts.damaged, ms.count(),
                result.error().message);
    }
  }

  const BlobFetcherOptions options_;
  store::BlobCache& cache_;
  Mailbox& mailbox_;
  bus::Context context_;
  bus::Dialer dialer_;
  bus::Link link_;
  bus::Socket& socket_;
  std::list<Transfer> transfers_;  // the first few are active
  std::vector<std::string> frames_;
  std::uint64_t last_number_ = 0;
  Clock::time_point expire_at_{};
  bool stopping_ = false;
};

Result<std::unique_ptr<BlobFetcher>> BlobFetcher::start(const BlobFetcherOptions& options,
                                                        store::BlobCache& cache) {
  auto dialer = options.dialer ? Result<bus::Dialer>(*options.dialer)
                               : bus::Dialer::local({{bus::Channel::kBlobs, options.endpoint}});
  if (!dialer) return dialer.error();
  std::unique_ptr<BlobFetcher> fetcher(new BlobFetcher);
  std::promise<Status> connected;
  auto outcome = connected.get_future();
  fetcher->thread_ = std::thread([&cache, options, dialer = std::move(*dialer),
                                  connected = std::move(connected), self = fetcher.get()]() mutable {
    (void)::setpriority(PRIO_PROCESS, 0, kNice);  // this thread, and the context's, which it starts
    Loop loop(options, std::move(dialer), cache, self->mailbox_);
    self->loop_ = &loop;
    const Status status = loop.connect();
    const bool go = status.has_value();
    connected.set_value(status);
    if (go) loop.run();
  });
  if (const Status status = outcome.get(); !status) return status.error();
  return fetcher;
}

BlobFetcher::~BlobFetcher() {
  if (!thread_.joinable()) return;
  mailbox_.post([this] { loop_->stop(); });
  thread_.join();
}

std::shared_ptr<BlobFetch> BlobFetcher::want(const std::string& hash) {
  auto fetch = std::make_shared<BlobFetch>(hash);
  mailbox_.post([this, fetch] { loop_->want(fetch); });
  return fetch;
}

void BlobFetcher::leave(const std::shared_ptr<BlobFetch>& fetch) {
  mailbox_.post([this, fetch] { loop_->leave(fetch); });
}

}  // namespace answermill::runtime
