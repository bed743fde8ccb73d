// Decides who may come in from the network: the ZAP handler of one ZeroMQ context, on a thread of its own, so
// that a storm of handshakes never holds up the loop that owns the sockets.
//
// Each door is one (role, channel) pair; its ZAP domain is the role's name. A key is let in when the list
// says that it has the role. Messages of a peer that was let in carry its key as "User-Id".
//
// Thread: made, told and destroyed by the thread that owns the sockets. Owns: its thread, the ZAP socket and
// the monitors. Make it before the first secure bind; the sockets it watches must be closed before it goes.
// Source: https://rfc.zeromq.org/spec/27/ (ZAP)
#pragma once

#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "shared/base/mailbox.h"
#include "shared/bus/keys.h"
#include "shared/bus/refusals.h"
#include "shared/bus/socket.h"

namespace answermill::bus {

class Doorkeeper {
 public:
  // Errors: kUnavailable (the context has a ZAP handler already).
  static Result<std::unique_ptr<Doorkeeper>> start(Context& context, Refusals& refusals);
  ~Doorkeeper();
  Doorkeeper(const Doorkeeper&) = delete;
  Doorkeeper& operator=(const Doorkeeper&) = delete;

  // Holds for every handshake that begins after this.
  void allow(AllowList list);
  // Counts this socket's failed handshakes.
  void watch(Socket& socket);

 private:
  Doorkeeper(Context& context, Refusals& refusals);
  void run(std::promise<Status>& bound);
  void answer_all(Socket& zap);
  void count_failures(Monitor& monitor);
  // The user id to let in; empty: refused.
  std::string judge(const std::vector<std::string>& request);

  Context& context_;
  Refusals& refusals_;
  Mailbox mailbox_;
  std::mutex mutex_;
  AllowList list_;                                  // guarded by mutex_
  std::vector<std::unique_ptr<Monitor>> monitors_;  // the thread's
  bool stopping_ = false;                           // the thread's
  std::vector<std::string> frames_;
  std::thread thread_;
};

}  // namespace answermill::bus
