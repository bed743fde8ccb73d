// What queue_bench asks of a queue: start it on its own folder, put jobs in, take and complete them.
//
// Thread: a Producer and each Consumer are used by one thread each. Errors: a peer that misbehaves ends the
// bench by a thrown PeerError; a bench has nobody to recover for.
#pragma once

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace answermill::bench {

class Child;

class PeerError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// How many jobs a consumer may hold: the same for every peer.
inline constexpr int kPrefetch = 256;

class Producer {
 public:
  virtual ~Producer() = default;
  // May be buffered until flush().
  virtual void submit(std::string_view payload) = 0;
  virtual void flush() = 0;
  // Takes confirmations that have come; waits up to `wait_ms` for the first. How many are new.
  virtual std::size_t confirmed(int wait_ms) = 0;
};

class Consumer {
 public:
  virtual ~Consumer() = default;
  // Waits some milliseconds at most for jobs, calls `started` with each payload and completes it. How many
  // completions are new: acknowledged by the peer as strongly as it can.
  virtual std::size_t work(const std::function<void(std::string_view)>& started) = 0;
};

class Peer {
 public:
  virtual ~Peer() = default;
  virtual std::unique_ptr<Producer> producer() = 0;
  virtual std::unique_ptr<Consumer> consumer() = 0;
  virtual const Child& server() const = 0;
};

// One way to have a queue: what it is called, what it promises, and how it is started on an empty folder.
struct PeerKind {
  std::string name;
  std::string durability;
  std::string program;  // must be there, or the peer is skipped
  std::function<std::unique_ptr<Peer>(const std::string& folder)> start;
};

PeerKind answermill_strict();
PeerKind answermill_relaxed();
PeerKind redis_streams();
PeerKind beanstalkd();
PeerKind nats_jetstream();
PeerKind rabbitmq();

}  // namespace answermill::bench
