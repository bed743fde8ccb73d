// ZeroMQ sockets as the project uses them: never blocking, bounded messages, explicit linger.
//
// Thread: a Socket is made, used and closed on one thread; a Context from any.
// Source: https://libzmq.readthedocs.io/en/zeromq4-1/ (zmq_setsockopt, zmq_poll)
#pragma once

#include <chrono>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/result.h"
#include "shared/bus/keys.h"

namespace answermill::bus {

class Context {
 public:
  // With a network, its crypto has an I/O thread of its own and never slows the host's own sockets.
  enum class Reach { kHost, kNetwork };

  explicit Context(Reach reach = Reach::kHost);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  void* handle() const { return handle_; }

 private:
  void* handle_;
};

enum class Pattern { kPush, kPull, kRouter, kDealer, kXpub, kXsub, kSub, kPair };

// What a peer needs to come in over the network.
struct Credentials {
  KeyPair own;
  std::string broker;  // the only broker it will talk to
};

enum class SendStatus {
  kSent,
  kFull,         // the high-water mark is reached, or nobody is connected
  kUnreachable,  // ROUTER: no such peer any more
};

// A plain endpoint must not leave the host. Errors: kForbidden, saying what to do instead.
Status check_within_host(const std::string& endpoint);

// One frame of a message as it came, to be read or sent on without copying it. Move only.
class Part {
 public:
  Part();
  ~Part();
  Part(Part&& other) noexcept;
  Part& operator=(Part&& other) noexcept;
  std::string_view bytes() const;

 private:
  friend class Socket;
  alignas(void*) unsigned char message_[64];  // zmq_msg_t
};

class Socket {
 public:
  // XPUB and XSUB keep every subscription of a peer (no receive limit for subscriptions); SUB sends all of
  // its.
  Socket(Context& context, Pattern pattern);
  ~Socket();
  Socket(Socket&& other) noexcept;
  Socket& operator=(Socket&&) = delete;

  // Within this host: ipc and inproc. Errors: kUnavailable (address in use, bad endpoint), with the
  // endpoint's name; kForbidden for tcp, which is never unencrypted.
  Status bind(const std::string& endpoint);
  Status connect(const std::string& endpoint);

  // Before bind() or connect(): messages that may wait for each peer (10,000 unless set).
  void set_send_queue(int messages);
  // The same: closes connections whose other end's I/O thread, which no busy loop can stop, does not answer.
  void set_patience(std::chrono::milliseconds patience);

  // Over the network, encrypted by CURVE. A socket may have host and network endpoints side by side; each
  // secure one has a ZAP domain of its own, which ZeroMQ keeps for what is bound later: bind within the host
  // first. Errors: kUnavailable.
  Status bind_secure(const std::string& endpoint, const std::string& secret_key, const std::string& domain);
  Status connect_secure(const std::string& endpoint, const Credentials& credentials);
  // Stops listening and drops every peer that came in there; takes effect in the background.
  void unbind(const std::string& endpoint);

  // Ends a connection of connect_secure(); what waits to be sent is dropped.
  void disconnect(const std::string& endpoint);

  // Begins telling what happens to this socket's connections; the result is for one Monitor.
  std::string start_monitor();

  // How long closing waits for unsent messages (0 unless set).
  void set_linger(std::chrono::milliseconds linger);

  SendStatus send(std::initializer_list<std::string_view> frames);
  // Fills `frames` with the next message; false when there is none.
  bool receive(std::vector<std::string>& frames);
  // The same; `user` becomes who sent it as the ZAP handler named it, empty within the host.
  bool receive(std::vector<std::string>& frames, std::string& user);

  // The same, as it came: `parts` has the whole message, the first `count` of which are filled; false when
  // there is none. Their memory is kept for the next message.
  bool receive(std::vector<Part>& parts, std::size_t& count, std::string* user);
  // Sends on what was received, and leaves it empty.
  SendStatus send_on(Part& first, Part& second);

  void subscribe(std::string_view topic);    // SUB
  void unsubscribe(std::string_view topic);  // SUB

  // Becomes readable on changes only (edge-triggered): after every send and receive ask readable() again.
  int descriptor() const;
  bool readable() const;

  void* handle() const { return handle_; }

 private:
  bool receive_from(std::vector<std::string>& frames, std::string* user);
  void set_network_options();

  void* handle_;
};

// What happens to a socket's connections, on a thread of its own choice.
class Monitor {
 public:
  enum class Event {
    kConnected,     // a handshake went through
    kRefused,       // the other end's ZAP handler said no; ZeroMQ will not try again by itself
    kPlaintext,     // a peer without encryption where it is demanded
    kBadHandshake,  // anything else that kept a handshake from its end
  };
  Monitor(Context& context, const std::string& started);  // as by Socket::start_monitor()

  Socket& socket() { return pair_; }
  std::optional<Event> next();  // none: nothing more for now

 private:
  Socket pair_;
  std::vector<std::string> frames_;
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
