#include "shared/bus/socket.h"

#include <zmq.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

#include "shared/messages/codec.h"

namespace answermill::bus {
namespace {

int zmq_type(Pattern pattern) {
  switch (pattern) {
    case Pattern::kPush:
      return ZMQ_PUSH;
    case Pattern::kPull:
      return ZMQ_PULL;
    case Pattern::kRouter:
      return ZMQ_ROUTER;
    case Pattern::kDealer:
      return ZMQ_DEALER;
    case Pattern::kXpub:
      return ZMQ_XPUB;
    case Pattern::kXsub:
      return ZMQ_XSUB;
    case Pattern::kSub:
      return ZMQ_SUB;
  }
  std::abort();
}

void set_int(void* socket, int option, int value) {
  if (zmq_setsockopt(socket, option, &value, sizeof value) != 0) std::abort();
}

constexpr int kQueueLength = 10000;
constexpr int kReconnectMs = 20;
constexpr int kReconnectMaxMs = 500;

}  // namespace

Context::Context() : handle_(zmq_ctx_new()) {
  if (handle_ == nullptr) std::abort();
}

Context::~Context() { zmq_ctx_term(handle_); }

Socket::Socket(Context& context, Pattern pattern) : handle_(zmq_socket(context.handle(), zmq_type(pattern))) {
  if (handle_ == nullptr) std::abort();
  const std::int64_t max_bytes = messages::kMaxMessageBytes;
  zmq_setsockopt(handle_, ZMQ_MAXMSGSIZE, &max_bytes, sizeof max_bytes);
  set_int(handle_, ZMQ_LINGER, 0);
  set_int(handle_, ZMQ_SNDHWM, kQueueLength);
  set_int(handle_, ZMQ_RCVHWM, kQueueLength);
  set_int(handle_, ZMQ_RECONNECT_IVL, kReconnectMs);
  set_int(handle_, ZMQ_RECONNECT_IVL_MAX, kReconnectMaxMs);
  if (pattern == Pattern::kRouter) set_int(handle_, ZMQ_ROUTER_MANDATORY, 1);
  // Beyond 1,000 topics a SUB silently loses the rest unless neither end bounds the subscription messages.
  if (pattern == Pattern::kSub) set_int(handle_, ZMQ_SNDHWM, 0);
  if (pattern == Pattern::kXpub) set_int(handle_, ZMQ_RCVHWM, 0);
}

Socket::~Socket() {
  if (handle_ != nullptr) zmq_close(handle_);
}

Socket::Socket(Socket&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}

Status Socket::bind(const std::string& endpoint) {
  if (zmq_bind(handle_, endpoint.c_str()) == 0) return {};
  return Error{ErrorCode::kUnavailable, "cannot listen on " + endpoint + ": " + zmq_strerror(zmq_errno())};
}

Status Socket::connect(const std::string& endpoint) {
  if (zmq_connect(handle_, endpoint.c_str()) == 0) return {};
  return Error{ErrorCode::kUnavailable, "cannot connect to " + endpoint + ": " + zmq_strerror(zmq_errno())};
}

void Socket::set_send_queue(int messages) { set_int(handle_, ZMQ_SNDHWM, messages); }

void Socket::set_linger(std::chrono::milliseconds linger) {
  set_int(handle_, ZMQ_LINGER, static_cast<int>(linger.count()));
}

SendStatus Socket::send(std::initializer_list<std::string_view> frames) {
  std::size_t left = frames.size();
  for (const auto frame : frames) {
    const int flags = ZMQ_DONTWAIT | (--left > 0 ? ZMQ_SNDMORE : 0);
    while (zmq_send(handle_, frame.data(), frame.size(), flags) < 0) {
      const int error = zmq_errno();
      if (error == EINTR) continue;
      if (error == EHOSTUNREACH) return SendStatus::kUnreachable;
      if (error == EAGAIN) return SendStatus::kFull;  // only the first frame of a message can meet it
      std::abort();                                   // a programming error: wrong state or socket
    }
  }
  return SendStatus::kSent;
}

bool Socket::receive(std::vector<std::string>& frames) {
  frames.clear();
  while (true) {
    zmq_msg_t message;
    zmq_msg_init(&message);
    if (zmq_msg_recv(&message, handle_, ZMQ_DONTWAIT) < 0) {
      const int error = zmq_errno();
      zmq_msg_close(&message);
      if (error == EINTR) continue;
      if (error == EAGAIN) return false;
      std::abort();
    }
    frames.emplace_back(static_cast<const char*>(zmq_msg_data(&message)), zmq_msg_size(&message));
    const bool more = zmq_msg_more(&message) != 0;
    zmq_msg_close(&message);
    if (!more) return true;
  }
}

void Socket::subscribe(std::string_view topic) {
  if (zmq_setsockopt(handle_, ZMQ_SUBSCRIBE, topic.data(), topic.size()) != 0) std::abort();
}

void Socket::unsubscribe(std::string_view topic) {
  if (zmq_setsockopt(handle_, ZMQ_UNSUBSCRIBE, topic.data(), topic.size()) != 0) std::abort();
}

int Socket::descriptor() const {
  int descriptor = -1;
  std::size_t size = sizeof descriptor;
  if (zmq_getsockopt(handle_, ZMQ_FD, &descriptor, &size) != 0) std::abort();
  return descriptor;
}

bool Socket::readable() const {
  int events = 0;
  std::size_t size = sizeof events;
  while (zmq_getsockopt(handle_, ZMQ_EVENTS, &events, &size) != 0) {
    if (zmq_errno() != EINTR) std::abort();
  }
  return (events & ZMQ_POLLIN) != 0;
}

std::size_t Poller::add(Socket& socket) {
  items_.push_back({socket.handle(), -1});
  ready_.push_back(false);
  return items_.size() - 1;
}

std::size_t Poller::add_descriptor(int descriptor) {
  items_.push_back({nullptr, descriptor});
  ready_.push_back(false);
  return items_.size() - 1;
}

void Poller::wait(std::chrono::milliseconds timeout) {
  std::vector<zmq_pollitem_t> items;
  items.reserve(items_.size());
  for (const auto& item : items_) items.push_back({item.socket, item.descriptor, ZMQ_POLLIN, 0});
  const int count = zmq_poll(items.data(), static_cast<int>(items.size()), timeout.count());
  for (std::size_t i = 0; i < items.size(); ++i)
    ready_[i] = count > 0 && (items[i].revents & ZMQ_POLLIN) != 0;
}

}  // namespace answermill::bus
