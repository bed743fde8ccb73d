#include "frontend/server/bus/bus_sockets.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <stdexcept>

#include "shared/log/log.h"

namespace answermill::frontend {
namespace {

// Messages taken in one turn of the loop, so that connections get theirs too.
constexpr int kBurst = 512;
constexpr std::chrono::milliseconds kGoodbyeLinger{200};

void need(const Status& status) {
  if (!status) throw std::runtime_error(status.error().message);
}

}  // namespace

struct BusSockets::Watch {
  Watch(boost::asio::io_context& loop, int descriptor) : descriptor(loop, descriptor) {}
  ~Watch() { descriptor.release(); }  // it belongs to the socket
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  boost::asio::posix::stream_descriptor descriptor;
};

BusSockets::BusSockets(boost::asio::io_context& loop, bus::Dialer dialer, Handlers handlers)
    : loop_(loop),
      handlers_(std::move(handlers)),
      dialer_(std::move(dialer)),
      jobs_link_(context_, bus::Pattern::kPush, dialer_, bus::Channel::kJobs),
      work_link_(context_, bus::Pattern::kDealer, dialer_, bus::Channel::kWork),
      events_link_(context_, bus::Pattern::kSub, dialer_, bus::Channel::kEvents),
      worker_events_link_(context_, bus::Pattern::kXpub, dialer_, bus::Channel::kWorkerEvents),
      query_link_(context_, bus::Pattern::kDealer, dialer_, bus::Channel::kQuery),
      jobs_(jobs_link_.socket()),
      work_(work_link_.socket()),
      events_(events_link_.socket()),
      worker_events_(worker_events_link_.socket()),
      query_(query_link_.socket()),
      alive_(std::make_shared<bool>(true)) {
  work_.set_linger(kGoodbyeLinger);
  jobs_.set_linger(kGoodbyeLinger);
  for (auto* link : {&events_link_, &worker_events_link_, &jobs_link_, &query_link_, &work_link_})
    need(link->open());
  for (const auto* socket : {&work_, &events_, &worker_events_, &query_}) watch(socket->descriptor());
  watch(mailbox_.fd());
  look_soon();
}

BusSockets::~BusSockets() { *alive_ = false; }

void BusSockets::watch(int descriptor) {
  watches_.push_back(std::make_unique<Watch>(loop_, descriptor));
  arm(*watches_.back());
}

void BusSockets::arm(Watch& watch) {
  watch.descriptor.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                              [this, alive = alive_, &watch](const boost::system::error_code& error) {
                                if (!*alive || error) return;
                                look();
                                arm(watch);
                              });
}

void BusSockets::look_soon() {
  if (std::exchange(look_scheduled_, true)) return;
  boost::asio::post(loop_, [this, alive = alive_] {
    if (*alive) look();
  });
}

void BusSockets::look() {
  look_scheduled_ = false;
  int taken = 0;
  while (taken < kBurst && worker_events_.receive(frames_)) {
    ++taken;
    if (!frames_[0].empty() && frames_[0][0] == '\x01') handlers_.relay_subscribed();
  }
  while (taken < kBurst && work_.receive(frames_)) {
    ++taken;
    handlers_.work(std::string(frames_[0]));
  }
  while (taken < kBurst && events_.receive(frames_)) {
    ++taken;
    if (frames_.size() == 2) handlers_.event(std::string(frames_[0]), std::string(frames_[1]));
  }
  while (taken < kBurst && query_.receive(frames_)) {
    ++taken;
    handlers_.replayed(std::string(frames_[0]));
  }
  mailbox_.run_all();
  if (taken > 0) look_soon();  // until all are empty: the descriptors will not tell again
}

void BusSockets::tend(std::chrono::steady_clock::time_point now) {
  for (auto* link : {&jobs_link_, &work_link_, &worker_events_link_, &query_link_}) link->tend(now);
  if (events_link_.tend(now)) handlers_.reconnected();
}

void BusSockets::send_job(const std::string& frame) {
  jobs_.send({frame});
  look_soon();
}

void BusSockets::send_work(const std::string& frame) {
  if (work_.send({frame}) != bus::SendStatus::kSent) log::warn("event=work_channel_full");
  look_soon();
}

void BusSockets::send_query(const std::string& frame) {
  query_.send({frame});
  look_soon();
}

void BusSockets::publish(std::string_view topic, const std::string& frame) {
  worker_events_.send({topic, frame});
  look_soon();
}

void BusSockets::subscribe(std::string_view topic) {
  events_.subscribe(topic);
  look_soon();
}

void BusSockets::unsubscribe(std::string_view topic) {
  events_.unsubscribe(topic);
  look_soon();
}

}  // namespace answermill::frontend
