#include "shared/bus/link.h"

#include "shared/log/log.h"

namespace answermill::bus {
namespace {
constexpr std::chrono::seconds kRedialAfter{1};
constexpr std::chrono::seconds kBetweenComplaints{10};
}  // namespace

Link::Link(Context& context, Pattern pattern, const Dialer& dialer, Channel channel)
    : context_(context), dialer_(dialer), channel_(channel), socket_(context, pattern) {}

Status Link::open() {
  if (dialer_.over_network()) monitor_.emplace(context_, socket_.start_monitor());
  return dialer_.connect(socket_, channel_);
}

void Link::on_refused(Clock::time_point now) {
  redial_at_ = now + kRedialAfter;
  if (now < next_complaint_) return;
  next_complaint_ = now + kBetweenComplaints;
  log::error(
      "event=key_refused endpoint={} message=\"the broker does not let this key in: it was revoked, or "
      "is not on its list; see answermill keys list on the broker's host\"",
      dialer_.endpoint(channel_));
}

bool Link::tend(Clock::time_point now) {
  bool back = false;
  while (monitor_) {
    const auto event = monitor_->next();
    if (!event) break;
    if (*event == Monitor::Event::kConnected) back = std::exchange(was_connected_, true) || back;
    if (*event == Monitor::Event::kRefused) on_refused(now);
    if (*event == Monitor::Event::kBadHandshake && now >= next_complaint_) {
      next_complaint_ = now + kBetweenComplaints;
      log::warn("event=no_handshake endpoint={} message=\"the other end is no broker, or not this key's\"",
                dialer_.endpoint(channel_));
    }
  }
  if (redial_at_ && now >= *redial_at_) {
    redial_at_.reset();
    dialer_.disconnect(socket_, channel_);
    if (const auto dialed = dialer_.connect(socket_, channel_); !dialed)
      log::error("event=redial_failed message=\"{}\"", dialed.error().message);
  }
  return back;
}

}  // namespace answermill::bus
