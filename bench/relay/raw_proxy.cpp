#include "bench/relay/raw_proxy.h"

#include <zmq.h>

namespace answermill::bench {
namespace {

constexpr int kQueueLength = 10'000;  // as our sockets have
constexpr int kBurst = 1000;          // as zmq_proxy() has

// Every message that waits, without a look at it or a copy of it.
void forward(void* from, void* to) {
  for (int i = 0; i < kBurst; ++i) {
    bool more = true;
    while (more) {
      zmq_msg_t part;
      zmq_msg_init(&part);
      if (zmq_msg_recv(&part, from, ZMQ_DONTWAIT) < 0) {
        zmq_msg_close(&part);
        return;
      }
      more = zmq_msg_more(&part) != 0;
      if (to == nullptr || zmq_msg_send(&part, to, more ? ZMQ_SNDMORE : 0) < 0) zmq_msg_close(&part);
    }
  }
}

}  // namespace

int run_raw_proxy(const std::string& in, const std::string& out) {
  void* context = zmq_ctx_new();
  void* from = zmq_socket(context, ZMQ_XSUB);
  void* to = zmq_socket(context, ZMQ_XPUB);
  const int none = 0;
  zmq_setsockopt(from, ZMQ_RCVHWM, &kQueueLength, sizeof kQueueLength);
  zmq_setsockopt(to, ZMQ_SNDHWM, &kQueueLength, sizeof kQueueLength);
  zmq_setsockopt(to, ZMQ_RCVHWM, &none, sizeof none);
  if (zmq_bind(from, in.c_str()) != 0 || zmq_bind(to, out.c_str()) != 0) return 1;
  zmq_send(from, "\x01", 1, 0);
  while (true) {
    zmq_pollitem_t items[] = {{from, 0, ZMQ_POLLIN, 0}, {to, 0, ZMQ_POLLIN, 0}};
    if (zmq_poll(items, 2, -1) < 0) return 0;
    if ((items[0].revents & ZMQ_POLLIN) != 0) forward(from, to);
    if ((items[1].revents & ZMQ_POLLIN) != 0) forward(to, nullptr);
  }
}

}  // namespace answermill::bench
