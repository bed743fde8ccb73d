// The blob service's two machines before a hostile other side: any messages, in any order, with time passing.
#include "broker/blobs/blob_sender.h"
#include "shared/messages/codec.h"
#include "tests/fuzz/input.h"
#include "workers/runtime/blob_receiver.h"

#include <cstdlib>

using namespace answermill;

namespace {

constexpr std::size_t kAsks = 8;

class World {
 public:
  World()
      : sender_({kAsks, 1 << 20, std::chrono::milliseconds(2)}), receiver_(small(), 1, std::string(64, 'a')) {
    follow(receiver_.begin(0, now_));
  }

  void take(std::uint8_t choice, std::string_view bytes) {
    now_ += std::chrono::milliseconds(choice);
    const std::string route = (choice & 16U) != 0 ? "a" : "b";
    switch (choice % 8U) {
      case 0:
        if (auto ask = messages::decode<messages::BlobAsk>(bytes)) sender_.on_ask(route, std::move(*ask));
        break;
      case 1:
        if (const auto stop = messages::decode<messages::BlobStop>(bytes))
          sender_.on_stop(route, stop->transfer);
        break;
      case 2:
        turn(choice);
        break;
      case 3:
        sender_.gone(route);
        break;
      case 4:
        chunk(bytes);
        break;
      case 5:
        if (const auto refused = messages::decode<messages::BlobRefused>(bytes))
          follow(receiver_.on_refused(*refused));
        break;
      case 6:
        follow(receiver_.on_tick(now_));
        break;
      case 7:
        if (verifying_) follow(receiver_.on_verified((choice & 32U) != 0, now_));
        break;
    }
    if (sender_.waiting("a") > kAsks || sender_.waiting("b") > kAsks) std::abort();
  }

 private:
  static runtime::BlobReceiverConfig small() {
    runtime::BlobReceiverConfig config;
    config.chunk = 16;
    config.window = 4;
    return config;
  }

  void turn(std::uint8_t choice) {
    auto next = sender_.next(now_);
    if (!next) return;
    if (next->ask.length == 0 || next->ask.length > messages::kBlobChunkBytes) std::abort();
    if ((choice & 64U) != 0) return sender_.full(std::move(*next), now_);
    sender_.sent(next->ask.length, now_);
  }

  // The message, and behind it the bytes.
  void chunk(std::string_view bytes) {
    const std::size_t head = std::min<std::size_t>(bytes.size(), 6);
    if (const auto message = messages::decode<messages::BlobChunk>(bytes.substr(0, head)))
      follow(receiver_.on_chunk(*message, std::string(bytes.substr(head)), now_));
  }

  // What a file would have gone through: nothing is written beyond the size that was announced.
  void follow(const runtime::BlobStep& step) {
    if (step.start_over) written_ = 0;
    for (const auto& piece : step.append) written_ += piece.size();
    verifying_ = step.verify;
    if (step.size_known || !step.append.empty()) {
      if (written_ > receiver_.size() || written_ != receiver_.have()) std::abort();
    }
    if (step.verify && written_ != receiver_.size()) std::abort();
  }

  broker::BlobSender::TimePoint now_{std::chrono::hours(1)};
  broker::BlobSender sender_;
  runtime::BlobReceiver receiver_;
  std::uint64_t written_ = 0;
  bool verifying_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  World world;
  fuzz::Input input(data, size);
  std::uint8_t choice = 0;
  std::string_view bytes;
  for (int steps = 0; steps < 256 && input.next(choice, bytes); ++steps) world.take(choice, bytes);
  return 0;
}
