// Who gets the next chunk of a blob: asks in, turns out. No sockets, no files, no clock.
//
// Transfers take turns, one chunk each, so that a big one never holds up a small one. What a peer has asked
// for waits here until its turn; an ask that waits already is not queued twice.
//
// Thread: the blob service's.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "shared/messages/blobs.h"

namespace answermill::broker {

struct BlobSenderConfig {
  std::size_t most_asks = 1024;            // waiting per peer; more are dropped, and asked for again
  std::uint64_t bytes_per_second = 0;      // of all transfers together; 0 for as fast as it goes
  std::chrono::milliseconds full_wait{2};  // until a peer whose pipe is full is tried again
};

class BlobSender {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  enum class Taken { kQueued, kRepeated, kDropped, kMalformed };

  struct Turn {
    std::string route;
    messages::BlobAsk ask;
  };

  explicit BlobSender(BlobSenderConfig config) : config_(config) {}

  Taken on_ask(const std::string& route, messages::BlobAsk ask);
  void on_stop(const std::string& route, std::uint64_t transfer);

  // The chunk to send now, taken off the queue; nothing when all must wait.
  std::optional<Turn> next(TimePoint now);
  // What became of a turn: sent; or the peer has no room, so it keeps its place; or the peer is gone with
  // everything it asked for.
  void sent(std::uint64_t bytes, TimePoint now);
  void full(Turn turn, TimePoint now);
  void gone(const std::string& route);

  bool idle() const { return ring_.empty(); }
  // How long next() will have nothing. Zero when it has something; meaningless when idle.
  std::chrono::milliseconds wait(TimePoint now) const;
  std::size_t waiting(const std::string& route) const;

 private:
  struct Transfer {
    std::string route;
    std::uint64_t number = 0;
    std::deque<messages::BlobAsk> asks;
  };
  struct Peer {
    std::size_t asks = 0;
    TimePoint full_until{};
  };
  using Ring = std::list<Transfer>;
  using Key = std::pair<std::string, std::uint64_t>;

  Ring::iterator transfer(const std::string& route, std::uint64_t number);
  void erase(Ring::iterator at);
  void forget_asks(const std::string& route, std::size_t count);

  BlobSenderConfig config_;
  Ring ring_;  // the front has its turn next
  std::map<Key, Ring::iterator> transfers_;
  std::map<std::string, Peer> peers_;
  TimePoint free_at_{};  // when the rate allows the next chunk
};

}  // namespace answermill::broker
