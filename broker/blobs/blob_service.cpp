#include "broker/blobs/blob_service.h"

#include <sys/resource.h>

#include <algorithm>
#include <future>
#include <utility>
#include <vector>

#include "broker/blobs/blob_files.h"
#include "broker/blobs/blob_sender.h"
#include "broker/gate/bus_gate.h"
#include "shared/bus/socket.h"
#include "shared/log/log.h"
#include "shared/messages/codec.h"

namespace answermill::broker {
namespace {

using Clock = std::chrono::steady_clock;
using namespace messages;

constexpr int kSendQueue = 16;  // chunks in one peer's pipe: two transfers' windows
constexpr int kAskBurst = 1024;
constexpr int kChunkBurst = 4;  // then asks and stops are heard again
constexpr int kNice = 5;        // what moves bytes gives way to what people wait for
constexpr std::chrono::milliseconds kIdle{2000};
constexpr std::chrono::milliseconds kDoorRetry{5};

}  // namespace

class BlobService::Loop {
 public:
  Loop(const BlobServiceOptions& options, Mailbox& mailbox)
      : mailbox_(mailbox),
        files_(store::BlobStore(options.folder)),
        sender_({.bytes_per_second = options.bytes_per_second}),
        refusals_(options.refusals),
        context_(options.bus.empty() ? bus::Context::Reach::kHost : bus::Context::Reach::kNetwork),
        socket_(context_, bus::Pattern::kRouter) {
    socket_.set_send_queue(kSendQueue);
  }

  Status bind(const BlobServiceOptions& options) {
    if (!options.endpoint.empty()) {
      if (auto bound = socket_.bind(options.endpoint); !bound) return bound;
    }
    if (options.bus.empty()) return {};
    auto gate = BusGate::open(options.bus, options.data, context_, {{bus::Channel::kBlobs, &socket_}},
                              *options.refusals);
    if (!gate) return gate.error();
    gate_ = std::move(*gate);
    return {};
  }
  void stop() { stopping_ = true; }

  void run() {
    bus::Poller poller;
    poller.add(socket_);
    const auto mail = poller.add_descriptor(mailbox_.fd());
    const auto keys = gate_ ? poller.add_descriptor(gate_->descriptor()) : mail;
    while (!stopping_) {
      const auto wait = sender_.idle() ? kIdle : sender_.wait(Clock::now());
      poller.wait(doors_shut_ ? std::min(wait, kDoorRetry) : wait);
      mailbox_.run_all();
      if (gate_ && poller.ready(keys)) gate_->reread(Clock::now());
      if (gate_ && (doors_shut_ || poller.ready(keys))) doors_shut_ = gate_->reopen(Clock::now());
      int heard = 0;
      for (; heard < kAskBurst && socket_.receive(frames_, user_); ++heard) {
        if (gate_ && gate_->peer(user_).roles.empty()) {
          refusals_->note(bus::Refusal::kUnknownKey, "blobs", Clock::now());
        } else {
          on_message();
        }
      }
      for (int i = 0; i < kChunkBurst && send_next(); ++i) {
      }
      if (sender_.idle() && heard == 0) files_.close_all();
    }
    log::info("event=blobs_stopping sent_bytes={}", sent_bytes_);
  }

 private:
  void on_message() {
    if (frames_.size() == 2) {
      const auto frame = split_frame(frames_[1]);
      if (frame && frame->kind == static_cast<std::uint8_t>(BlobKind::kAsk)) {
        if (auto ask = decode<BlobAsk>(frame->body);
            ask && sender_.on_ask(frames_[0], std::move(*ask)) != BlobSender::Taken::kMalformed)
          return;
      } else if (frame && frame->kind == static_cast<std::uint8_t>(BlobKind::kStop)) {
        if (const auto stop = decode<BlobStop>(frame->body))
          return sender_.on_stop(frames_[0], stop->transfer);
      }
    }
    log::warn("event=malformed channel=blobs frames={}", frames_.size());
  }

  // False when nothing can be sent at present.
  bool send_next() {
    auto turn = sender_.next(Clock::now());
    if (!turn) return false;
    const BlobAsk& ask = turn->ask;
    const auto size = files_.read(ask.hash, ask.offset, ask.length, bytes_);
    if (!size) {
      log::warn("event=blob_refused hash={} code={}", ask.hash, to_string(size.error().code));
      sender_.on_stop(turn->route, ask.transfer);
      if (socket_.send({turn->route,
                        encode_frame(BlobKind::kRefused,
                                     BlobRefused{ask.transfer, size.error().code, size.error().message})}) ==
          bus::SendStatus::kUnreachable)
        sender_.gone(turn->route);
      return true;
    }
    const auto head = encode_frame(BlobKind::kChunk, BlobChunk{ask.transfer, ask.offset, *size});
    switch (socket_.send({turn->route, head, bytes_})) {
      case bus::SendStatus::kSent:
        sent_bytes_ += bytes_.size();
        sender_.sent(bytes_.size(), Clock::now());
        if (ask.offset + bytes_.size() >= *size)
          log::info("event=blob_sent hash={} bytes={} sent_bytes={}", ask.hash, *size, sent_bytes_);
        break;
      case bus::SendStatus::kFull:
        sender_.full(std::move(*turn), Clock::now());
        break;
      case bus::SendStatus::kUnreachable:
        sender_.gone(turn->route);
        break;
    }
    return true;
  }

  Mailbox& mailbox_;
  BlobFiles files_;
  BlobSender sender_;
  bus::Refusals* refusals_;
  bus::Context context_;
  std::unique_ptr<BusGate> gate_;  // outlives the socket it watches
  bus::Socket socket_;
  std::string user_;
  bool doors_shut_ = false;
  std::vector<std::string> frames_;
  std::string bytes_;
  std::uint64_t sent_bytes_ = 0;
  bool stopping_ = false;
};

Result<std::unique_ptr<BlobService>> BlobService::start(const BlobServiceOptions& options) {
  std::unique_ptr<BlobService> service(new BlobService);
  std::promise<Status> bound;
  auto outcome = bound.get_future();
  service->thread_ = std::thread([options, bound = std::move(bound), self = service.get()]() mutable {
    (void)::setpriority(PRIO_PROCESS, 0, kNice);  // this thread, and the context's, which it starts
    Loop loop(options, self->mailbox_);
    self->loop_ = &loop;
    const Status status = loop.bind(options);
    const bool go = status.has_value();
    bound.set_value(status);
    if (go) loop.run();
  });
  if (const Status status = outcome.get(); !status) return status.error();
  return service;
}

BlobService::~BlobService() {
  if (!thread_.joinable()) return;
  mailbox_.post([this] { loop_->stop(); });
  thread_.join();
}

}  // namespace answermill::broker
