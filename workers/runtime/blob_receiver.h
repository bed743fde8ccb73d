// One blob on its way here: which chunks to ask for, what to do with those that come. No sockets, no files,
// no clock.
//
// Keeps a window of asks under way. Chunks are written in order, so a partial file is always a beginning of
// the blob and a later transfer, of this process or another, goes on where it ends. Silence is answered by
// asking again, more and more slowly; a blob whose bytes do not have its hash is fetched once more from the
// start.
//
// Thread: the fetcher's. Units: offsets and sizes in bytes.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/error.h"
#include "shared/messages/blobs.h"

namespace answermill::runtime {

struct BlobReceiverConfig {
  std::uint32_t chunk = messages::kBlobChunkBytes;
  std::uint32_t window = 8;                    // chunks asked for and not arrived
  std::chrono::milliseconds stall{1000};       // silence after which missing chunks are asked for again
  std::chrono::milliseconds stall_most{8000};  // grows up to this while the silence lasts
  std::chrono::milliseconds patience{60'000};  // silence after which the transfer fails
  std::uint32_t damaged_most = 2;              // arrivals with a wrong hash before it fails
};

// What the caller shall do, in this order.
struct BlobStep {
  bool start_over = false;              // cut the partial file to nothing
  bool size_known = false;              // for the first time: make room for size() bytes
  std::vector<std::string> append;      // write these behind one another
  bool verify = false;                  // it is whole: check the hash, then call on_verified()
  std::vector<messages::BlobAsk> asks;  // send these
  std::optional<Error> failed;          // it is over
};

struct BlobReceiverCounts {
  std::uint64_t received = 0;   // bytes that were written, those that had to be thrown away included
  std::uint64_t duplicate = 0;  // bytes that came once more, or that nobody had asked for
  std::uint32_t asked_again = 0;
  std::uint32_t damaged = 0;  // times the whole had a wrong hash
};

class BlobReceiver {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  BlobReceiver(const BlobReceiverConfig& config, std::uint64_t transfer, std::string hash)
      : config_(config), transfer_(transfer), hash_(std::move(hash)) {}

  // `have`: the bytes that the partial file holds.
  BlobStep begin(std::uint64_t have, TimePoint now);
  BlobStep on_chunk(const messages::BlobChunk& chunk, std::string bytes, TimePoint now);
  BlobStep on_refused(const messages::BlobRefused& refused);
  BlobStep on_verified(bool matches, TimePoint now);
  BlobStep on_tick(TimePoint now);

  // When on_tick() has something to do, at the earliest.
  TimePoint next_tick() const;
  std::uint64_t transfer() const { return transfer_; }
  const std::string& hash() const { return hash_; }
  std::uint64_t have() const { return next_; }
  std::uint64_t size() const { return size_.value_or(0); }
  const BlobReceiverCounts& counts() const { return counts_; }

 private:
  enum class State { kReceiving, kVerifying, kOver };

  bool acceptable(const messages::BlobChunk& chunk, std::size_t bytes) const;
  void take(std::string bytes, BlobStep& step);
  void ask_more(BlobStep& step);
  void ask(std::uint64_t offset, BlobStep& step);
  void start_over(BlobStep& step);
  void fail(Error error, BlobStep& step);

  BlobReceiverConfig config_;
  std::uint64_t transfer_;
  std::string hash_;
  State state_ = State::kReceiving;
  std::uint64_t next_ = 0;  // everything before it is written
  std::optional<std::uint64_t> size_;
  std::uint64_t asked_to_ = 0;                    // the first offset that was never asked for
  std::map<std::uint64_t, std::string> arrived_;  // beyond a gap, by offset
  std::set<std::uint64_t> under_way_;             // asked for and not arrived, by offset
  TimePoint heard_{};
  TimePoint ask_again_at_{};
  std::chrono::milliseconds silence_{};  // allowed at present
  BlobReceiverCounts counts_;
};

}  // namespace answermill::runtime
