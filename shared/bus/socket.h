// ZeroMQ sockets as the project uses them: never blocking, bounded messages, explicit linger.
//
// Thread: a Socket is made, used and closed on one thread; a Context from any.
// Source: https://libzmq.readthedocs.io/en/zeromq4-1/ (zmq_setsockopt, zmq_poll)
#pragma once

#include <chrono>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/result.h"

namespace answermill::bus {

class Context {
 public:
  Context();
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  void* handle() const { return handle_; }

 private:
  void* handle_;
};

enum class Pattern { kPush, kPull, kRouter, kDealer, kXpub, kXsub, kSub };

enum class SendStatus {
  kSent,
  kFull,         // the high-water mark is reached, or nobody is connected
  kUnreachable,  // ROUTER: no such peer any more
};

class Socket {
 public:
  // XPUB and XSUB keep every subscription of a peer (no receive limit for subscriptions); SUB sends all of
  // its.
  Socket(Context& context, Pattern pattern);
  ~Socket();
  Socket(Socket&& other) noexcept;
  Socket& operator=(Socket&&) = delete;

  // Errors: kUnavailable (address in use, bad endpoint), with the endpoint's name.
  Status bind(const std::string& endpoint);
  Status connect(const std::string& endpoint);

  // Before bind() or connect(): messages that may wait for each peer (10,000 unless set).
  void set_send_queue(int messages);
  // How long closing waits for unsent messages (0 unless set).
  void set_linger(std::chrono::milliseconds linger);

  SendStatus send(std::initializer_list<std::string_view> frames);
  // Fills `frames` with the next message; false when there is none.
  bool receive(std::vector<std::string>& frames);

  void subscribe(std::string_view topic);    // SUB
  void unsubscribe(std::string_view topic);  // SUB

  // Becomes readable on changes only (edge-triggered): after every send and receive ask readable() again.
  int descriptor() const;
  bool readable() const;

  void* handle() const { return handle_; }

 private:
  void* handle_;
};

// What a loop waits for: sockets and plain descriptors, readable or timed out.
class Poller {
 public:
  // Returns the index to ask ready() with. The socket must outlive the poller.
  std::size_t add(Socket& socket);
  std::size_t add_descriptor(int descriptor);
  void wait(std::chrono::milliseconds timeout);
  bool ready(std::size_t index) const { return ready_[index]; }

 private:
  struct Item {
    void* socket;
    int descriptor;
  };
  std::vector<Item> items_;
  std::vector<bool> ready_;
};

}  // namespace answermill::bus
