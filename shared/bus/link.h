// One connection to the broker that looks after itself: over the network it notices that it was cut and is
// back, and asks again where the broker refused its key, since ZeroMQ gives up there.
//
// Within the host it is just the socket. Thread: the socket's.
#pragma once

#include <chrono>
#include <optional>

#include "shared/bus/dialer.h"
#include "shared/bus/socket.h"

namespace answermill::bus {

class Link {
 public:
  using Clock = std::chrono::steady_clock;

  Link(Context& context, Pattern pattern, const Dialer& dialer, Channel channel);

  Status open();
  Socket& socket() { return socket_; }
  // To be called at every tick. True once after the connection broke and came back: what was published
  // meanwhile is lost.
  bool tend(Clock::time_point now);

 private:
  void on_refused(Clock::time_point now);

  Context& context_;
  const Dialer& dialer_;
  Channel channel_;
  Socket socket_;
  std::optional<Monitor> monitor_;
  bool was_connected_ = false;
  std::optional<Clock::time_point> redial_at_;
  Clock::time_point next_complaint_{};
};

}  // namespace answermill::bus
