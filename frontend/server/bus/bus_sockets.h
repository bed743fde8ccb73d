// The frontend's ZeroMQ sockets, waited for by an Asio loop.
//
// ZeroMQ's descriptors tell of changes only, so every wake-up, and every send, is followed by a look at all
// sockets. Thread: the loop's.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "frontend/server/bus/frontend_bus.h"
#include "shared/base/mailbox.h"
#include "shared/bus/link.h"

namespace answermill::frontend {

class BusSockets {
 public:
  struct Handlers {
    std::function<void(const std::string& topic, const std::string& frame)> event;
    std::function<void(const std::string& frame)> work;
    std::function<void(const std::string& frame)> replayed;
    std::function<void()> relay_subscribed;
    std::function<void()> reconnected;  // what was published meanwhile is lost
  };

  BusSockets(boost::asio::io_context& loop, bus::Dialer dialer, Handlers handlers);
  ~BusSockets();
  BusSockets(const BusSockets&) = delete;
  BusSockets& operator=(const BusSockets&) = delete;

  void send_job(const std::string& frame);
  void send_work(const std::string& frame);
  void send_query(const std::string& frame);
  void publish(std::string_view topic, const std::string& frame);
  void subscribe(std::string_view topic);
  void unsubscribe(std::string_view topic);
  void tend(std::chrono::steady_clock::time_point now);  // at every tick

  Mailbox& mailbox() { return mailbox_; }

 private:
  struct Watch;
  void watch(int descriptor);
  void arm(Watch& watch);
  void look_soon();
  void look();

  boost::asio::io_context& loop_;
  Handlers handlers_;
  bus::Context context_;
  bus::Dialer dialer_;
  bus::Link jobs_link_;
  bus::Link work_link_;
  bus::Link events_link_;
  bus::Link worker_events_link_;
  bus::Link query_link_;
  bus::Socket& jobs_;
  bus::Socket& work_;
  bus::Socket& events_;
  bus::Socket& worker_events_;
  bus::Socket& query_;
  Mailbox mailbox_;
  std::vector<std::unique_ptr<Watch>> watches_;
  std::vector<std::string> frames_;
  bool look_scheduled_ = false;
  std::shared_ptr<bool> alive_;
};

}  // namespace answermill::frontend
