#include "shared/bus/doorkeeper.h"

#include <pthread.h>

#include <chrono>
#include <csignal>
#include <future>
#include <utility>

namespace answermill::bus {
namespace {

constexpr char kZapEndpoint[] = "inproc://zeromq.zap.01";
constexpr std::chrono::hours kForever{1};

// A request of ZAP 1.0, after the two frames of the REQ envelope.
enum ZapFrame : std::size_t {
  kVersion = 2,
  kRequestId,
  kDomain,
  kAddress,
  kIdentity,
  kMechanism,
  kCredential
};

}  // namespace

Result<std::unique_ptr<Doorkeeper>> Doorkeeper::start(Context& context, Refusals& refusals) {
  std::unique_ptr<Doorkeeper> keeper(new Doorkeeper(context, refusals));
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);  // signals are the loop's to take
  std::promise<Status> bound;
  keeper->thread_ = std::thread([self = keeper.get(), &bound] { self->run(bound); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (auto listening = bound.get_future().get(); !listening) return listening.error();
  return keeper;
}

Doorkeeper::Doorkeeper(Context& context, Refusals& refusals) : context_(context), refusals_(refusals) {}

Doorkeeper::~Doorkeeper() {
  if (!thread_.joinable()) return;
  mailbox_.post([this] { stopping_ = true; });
  thread_.join();
}

void Doorkeeper::allow(AllowList list) {
  const std::lock_guard lock(mutex_);
  list_ = std::move(list);
}

void Doorkeeper::watch(Socket& socket) {
  mailbox_.post([this, started = socket.start_monitor()] {
    monitors_.push_back(std::make_unique<Monitor>(context_, started));
  });
}

void Doorkeeper::run(std::promise<Status>& bound) {
  Socket zap(context_, Pattern::kRouter);
  auto listening = zap.bind(kZapEndpoint);
  const bool ready = listening.has_value();
  bound.set_value(std::move(listening));
  while (ready && !stopping_) {
    Poller poller;
    poller.add_descriptor(mailbox_.fd());
    poller.add(zap);
    for (const auto& monitor : monitors_) poller.add(monitor->socket());
    poller.wait(kForever);
    mailbox_.run_all();
    answer_all(zap);
    for (const auto& monitor : monitors_) count_failures(*monitor);
  }
  monitors_.clear();
}

void Doorkeeper::count_failures(Monitor& monitor) {
  while (const auto event = monitor.next()) {
    const auto now = Refusals::Clock::now();
    if (*event == Monitor::Event::kPlaintext) refusals_.note(Refusal::kPlaintext, "no encryption", now);
    if (*event == Monitor::Event::kBadHandshake)
      refusals_.note(Refusal::kHandshake, "no valid handshake", now);
  }
}

void Doorkeeper::answer_all(Socket& zap) {
  while (zap.receive(frames_)) {
    if (frames_.size() <= kMechanism || frames_[kVersion] != "1.0") continue;
    const std::string user = judge(frames_);
    const bool in = !user.empty();
    zap.send(
        {frames_[0], "", "1.0", frames_[kRequestId], in ? "200" : "400", in ? "OK" : "refused", user, ""});
  }
}

std::string Doorkeeper::judge(const std::vector<std::string>& request) {
  const auto now = Refusals::Clock::now();
  const auto role = role_from(request[kDomain]);
  std::string key = request.size() > kCredential ? key_text(request[kCredential]) : std::string();
  if (request[kMechanism] != "CURVE" || !role || key.empty()) {
    refusals_.note(Refusal::kPlaintext, "no key was shown", now);
    return {};
  }
  const std::lock_guard lock(mutex_);
  const AllowedKey* known = list_.by_key(key);
  if (known == nullptr) {
    refusals_.note(Refusal::kUnknownKey, "from " + request[kAddress], now);
    return {};
  }
  if (!known->roles.has(*role)) {
    refusals_.note(
        Refusal::kWrongRole,
        "key " + known->name + " (" + known->roles.text() + ") at the door for " + request[kDomain], now);
    return {};
  }
  return key;
}

}  // namespace answermill::bus
