#include "shared/bus/socket.h"

#include <zmq.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "shared/base/ids.h"
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
    case Pattern::kPair:
      return ZMQ_PAIR;
  }
  std::abort();
}

void set_int(void* socket, int option, int value) {
  if (zmq_setsockopt(socket, option, &value, sizeof value) != 0) std::abort();
}

constexpr int kQueueLength = 10000;
constexpr int kReconnectMs = 20;
constexpr int kReconnectMaxMs = 500;
constexpr int kHeartbeatMs = 1000;  // over the network, where a peer may vanish without a word
constexpr int kHeartbeatPatienceMs = 4000;
constexpr int kHandshakeMs = 5000;
constexpr int kBacklog = 1024;
constexpr int kEnforceDomain = 93;           // ZMQ_ZAP_ENFORCE_DOMAIN, which 4.3.4 files under its drafts
constexpr std::uint64_t kNetworkThread = 2;  // as an affinity: the second I/O thread

void set_text(void* socket, int option, const std::string& value) {
  if (zmq_setsockopt(socket, option, value.data(), value.size()) != 0) std::abort();
}

}  // namespace

Status check_within_host(const std::string& endpoint) {
  if (endpoint.starts_with("ipc://") || endpoint.starts_with("inproc://")) return {};
  return Error{
      ErrorCode::kForbidden,
      "'" + endpoint +
          "' would carry the bus unencrypted. Within a host use ipc://PATH. Over the network the broker "
          "listens with --bus-listen tcp://HOST:PORT, and the others connect with --bus "
          "tcp://HOST:PORT --bus-key FILE; `answermill keys new` makes such a file"};
}

Context::Context(Reach reach) : handle_(zmq_ctx_new()) {
  if (handle_ == nullptr) std::abort();
  if (reach == Reach::kNetwork && zmq_ctx_set(handle_, ZMQ_IO_THREADS, 2) != 0) std::abort();
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
  if (auto allowed = check_within_host(endpoint); !allowed) return allowed;
  if (zmq_bind(handle_, endpoint.c_str()) == 0) return {};
  return Error{ErrorCode::kUnavailable, "cannot listen on " + endpoint + ": " + zmq_strerror(zmq_errno())};
}

Status Socket::connect(const std::string& endpoint) {
  if (auto allowed = check_within_host(endpoint); !allowed) return allowed;
  if (zmq_connect(handle_, endpoint.c_str()) == 0) return {};
  return Error{ErrorCode::kUnavailable, "cannot connect to " + endpoint + ": " + zmq_strerror(zmq_errno())};
}

void Socket::set_send_queue(int messages) { set_int(handle_, ZMQ_SNDHWM, messages); }

void Socket::set_patience(std::chrono::milliseconds patience) {
  constexpr int kAsksWithin = 3;
  const auto most = static_cast<int>(patience.count());
  set_int(handle_, ZMQ_HEARTBEAT_IVL, most / kAsksWithin);
  set_int(handle_, ZMQ_HEARTBEAT_TIMEOUT, most);
}

void Socket::set_network_options() {
  set_int(handle_, ZMQ_IPV6, 1);
  set_int(handle_, ZMQ_HEARTBEAT_IVL, kHeartbeatMs);
  set_int(handle_, ZMQ_HEARTBEAT_TIMEOUT, kHeartbeatPatienceMs);
  set_int(handle_, ZMQ_HANDSHAKE_IVL, kHandshakeMs);
}

// ZeroMQ copies a socket's options when it binds: those of one endpoint do not touch the others.
Status Socket::bind_secure(const std::string& endpoint, const std::string& secret_key,
                           const std::string& domain) {
  set_network_options();
  set_int(handle_, kEnforceDomain, 1);
  set_int(handle_, ZMQ_BACKLOG, kBacklog);
  // What is a little too large is taken, so that it can be counted; what is far too large cuts the peer off.
  const std::int64_t max_bytes = 2 * messages::kMaxMessageBytes;
  zmq_setsockopt(handle_, ZMQ_MAXMSGSIZE, &max_bytes, sizeof max_bytes);
  set_int(handle_, ZMQ_CURVE_SERVER, 1);
  set_text(handle_, ZMQ_CURVE_SECRETKEY, secret_key);
  set_text(handle_, ZMQ_ZAP_DOMAIN, domain);
  zmq_setsockopt(handle_, ZMQ_AFFINITY, &kNetworkThread, sizeof kNetworkThread);
  const bool bound = zmq_bind(handle_, endpoint.c_str()) == 0;
  const int problem = zmq_errno();
  const std::uint64_t any_thread = 0;
  zmq_setsockopt(handle_, ZMQ_AFFINITY, &any_thread, sizeof any_thread);
  set_int(handle_, ZMQ_CURVE_SERVER, 0);
  if (bound) return {};
  return Error{ErrorCode::kUnavailable, "cannot listen on " + endpoint + ": " + zmq_strerror(problem)};
}

Status Socket::connect_secure(const std::string& endpoint, const Credentials& credentials) {
  set_network_options();
  set_text(handle_, ZMQ_CURVE_SERVERKEY, credentials.broker);
  set_text(handle_, ZMQ_CURVE_PUBLICKEY, credentials.own.public_key);
  set_text(handle_, ZMQ_CURVE_SECRETKEY, credentials.own.secret_key);
  if (zmq_connect(handle_, endpoint.c_str()) == 0) return {};
  return Error{ErrorCode::kUnavailable, "cannot connect to " + endpoint + ": " + zmq_strerror(zmq_errno())};
}

void Socket::unbind(const std::string& endpoint) {
  if (zmq_unbind(handle_, endpoint.c_str()) != 0 && zmq_errno() != ENOENT) std::abort();
}

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

static_assert(sizeof(zmq_msg_t) == 64 && alignof(zmq_msg_t) <= alignof(void*));

namespace {
zmq_msg_t* message_of(unsigned char* bytes) { return reinterpret_cast<zmq_msg_t*>(bytes); }
}  // namespace

Part::Part() { zmq_msg_init(message_of(message_)); }
Part::~Part() { zmq_msg_close(message_of(message_)); }
Part::Part(Part&& other) noexcept : Part() { *this = std::move(other); }
Part& Part::operator=(Part&& other) noexcept {
  if (this != &other) zmq_msg_move(message_of(message_), message_of(other.message_));
  return *this;
}
std::string_view Part::bytes() const {
  auto* message = message_of(const_cast<unsigned char*>(message_));  // zmq_msg_data() does not change it
  return {static_cast<const char*>(zmq_msg_data(message)), zmq_msg_size(message)};
}

bool Socket::receive(std::vector<Part>& parts, std::size_t& count, std::string* user) {
  for (count = 0;;) {
    if (count == parts.size()) parts.emplace_back();
    zmq_msg_t* message = message_of(parts[count].message_);
    if (zmq_msg_recv(message, handle_, ZMQ_DONTWAIT) < 0) {
      const int error = zmq_errno();
      if (error == EINTR) continue;
      if (error == EAGAIN) return false;
      std::abort();
    }
    ++count;
    if (zmq_msg_more(message) != 0) continue;
    if (user != nullptr) {
      const char* name = zmq_msg_gets(message, "User-Id");
      user->assign(name == nullptr ? "" : name);
    }
    return true;
  }
}

SendStatus Socket::send_on(Part& first, Part& second) {
  for (auto* part : {&first, &second}) {
    const int flags = ZMQ_DONTWAIT | (part == &first ? ZMQ_SNDMORE : 0);
    while (zmq_msg_send(message_of(part->message_), handle_, flags) < 0) {
      const int error = zmq_errno();
      if (error == EINTR) continue;
      if (error == EHOSTUNREACH) return SendStatus::kUnreachable;
      if (error == EAGAIN) return SendStatus::kFull;
      std::abort();
    }
  }
  return SendStatus::kSent;
}

bool Socket::receive(std::vector<std::string>& frames) { return receive_from(frames, nullptr); }

bool Socket::receive(std::vector<std::string>& frames, std::string& user) {
  return receive_from(frames, &user);
}

bool Socket::receive_from(std::vector<std::string>& frames, std::string* user) {
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
    if (user != nullptr && !more) {  // a ROUTER's first frame is its own and names nobody
      const char* name = zmq_msg_gets(&message, "User-Id");
      user->assign(name == nullptr ? "" : name);
    }
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

void Socket::disconnect(const std::string& endpoint) {
  // A connection that ZeroMQ gave up by itself is not there any more.
  if (zmq_disconnect(handle_, endpoint.c_str()) != 0 && zmq_errno() != ENOENT) std::abort();
}

std::string Socket::start_monitor() {
  constexpr int kEvents = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                          ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL;
  std::string endpoint = "inproc://monitor-" + random_id();
  if (zmq_socket_monitor(handle_, endpoint.c_str(), kEvents) != 0) std::abort();
  return endpoint;
}

Monitor::Monitor(Context& context, const std::string& started) : pair_(context, Pattern::kPair) {
  if (!pair_.connect(started)) std::abort();
}

// Source: zmq_socket_monitor(3): a frame of the event's number (16 bits) and value (32), then the address.
std::optional<Monitor::Event> Monitor::next() {
  while (pair_.receive(frames_)) {
    std::uint16_t number = 0;
    std::uint32_t value = 0;
    if (frames_[0].size() < sizeof number + sizeof value) continue;
    std::memcpy(&number, frames_[0].data(), sizeof number);
    std::memcpy(&value, frames_[0].data() + sizeof number, sizeof value);
    if (number == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) return Event::kConnected;
    if (number == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) return Event::kRefused;
    if (number == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL && value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH)
      return Event::kPlaintext;
    if (number == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL || number == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL)
      return Event::kBadHandshake;
  }
  return std::nullopt;
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
