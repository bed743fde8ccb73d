// RabbitMQ: a durable queue, persistent messages, publisher confirms, consumer acks.
// Source: https://www.rabbitmq.com/docs/confirms and librabbitmq's <amqp.h>
#include <amqp.h>
#include <amqp_tcp_socket.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/time.h>

#include <cstdlib>

#include "bench/queue/child.h"
#include "bench/queue/peer.h"

namespace answermill::bench {
namespace {

constexpr amqp_channel_t kChannel = 1;

amqp_bytes_t bytes_of(std::string_view text) { return {text.size(), const_cast<char*>(text.data())}; }

class Rabbit {
 public:
  explicit Rabbit(int port) : connection_(amqp_new_connection()) {
    amqp_socket_t* socket = amqp_tcp_socket_new(connection_);
    if (amqp_socket_open(socket, "127.0.0.1", port) != AMQP_STATUS_OK)
      throw PeerError("RabbitMQ is not there");
    check(amqp_login(connection_, "/", 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, "guest", "guest"));
    amqp_channel_open(connection_, kChannel);
    check(amqp_get_rpc_reply(connection_));
  }
  ~Rabbit() { amqp_destroy_connection(connection_); }
  Rabbit(const Rabbit&) = delete;
  Rabbit& operator=(const Rabbit&) = delete;
  void check(const amqp_rpc_reply_t& reply) const {
    if (reply.reply_type != AMQP_RESPONSE_NORMAL) throw PeerError("RabbitMQ refused a request");
  }
  void check() const { check(amqp_get_rpc_reply(connection_)); }
  // The socket or librabbitmq's own buffer has something.
  bool wait(int wait_ms) const {
    if (amqp_frames_enqueued(connection_) || amqp_data_in_buffer(connection_)) return true;
    pollfd item{amqp_get_sockfd(connection_), POLLIN, 0};
    return ::poll(&item, 1, wait_ms) > 0;
  }
  amqp_connection_state_t get() const { return connection_; }

 private:
  amqp_connection_state_t connection_;
};

class RabbitProducer : public Producer {
 public:
  explicit RabbitProducer(int port) : rabbit_(port) {
    amqp_confirm_select(rabbit_.get(), kChannel);
    rabbit_.check();
  }
  void submit(std::string_view payload) override {
    amqp_basic_properties_t properties{};
    properties._flags = AMQP_BASIC_DELIVERY_MODE_FLAG;
    properties.delivery_mode = 2;
    if (amqp_basic_publish(rabbit_.get(), kChannel, amqp_empty_bytes, bytes_of("jobs"), 0, 0, &properties,
                           bytes_of(payload)) != AMQP_STATUS_OK) {
      throw PeerError("publish failed");
    }
  }
  void flush() override {}
  std::size_t confirmed(int wait_ms) override {
    const std::uint64_t before = confirmed_;
    while (rabbit_.wait(confirmed_ > before ? 0 : wait_ms)) {
      amqp_frame_t frame;
      if (amqp_simple_wait_frame(rabbit_.get(), &frame) != AMQP_STATUS_OK) throw PeerError("connection lost");
      if (frame.frame_type != AMQP_FRAME_METHOD || frame.payload.method.id != AMQP_BASIC_ACK_METHOD) continue;
      const auto* ack = static_cast<const amqp_basic_ack_t*>(frame.payload.method.decoded);
      // Without `multiple` acks may come out of order, each counting one.
      confirmed_ += ack->multiple ? ack->delivery_tag - multiple_to_ - singles_ : 1;
      singles_ = ack->multiple ? 0 : singles_ + 1;
      if (ack->multiple) multiple_to_ = ack->delivery_tag;
      amqp_maybe_release_buffers(rabbit_.get());
    }
    return confirmed_ - before;
  }

 private:
  Rabbit rabbit_;
  std::uint64_t confirmed_ = 0;
  std::uint64_t multiple_to_ = 0;
  std::uint64_t singles_ = 0;  // confirmed one by one since
};

class RabbitConsumer : public Consumer {
 public:
  explicit RabbitConsumer(int port) : rabbit_(port) {
    amqp_basic_qos(rabbit_.get(), kChannel, 0, kPrefetch, 0);
    rabbit_.check();
    amqp_basic_consume(rabbit_.get(), kChannel, bytes_of("jobs"), amqp_empty_bytes, 0, 0, 0,
                       amqp_empty_table);
    rabbit_.check();
  }
  std::size_t work(const std::function<void(std::string_view)>& started) override {
    std::size_t count = 0;
    std::uint64_t last = 0;
    while (count < kPrefetch && rabbit_.wait(count > 0 ? 0 : 20)) {
      amqp_envelope_t envelope;
      amqp_maybe_release_buffers(rabbit_.get());
      rabbit_.check(amqp_consume_message(rabbit_.get(), &envelope, nullptr, 0));
      started({static_cast<const char*>(envelope.message.body.bytes), envelope.message.body.len});
      last = envelope.delivery_tag;
      amqp_destroy_envelope(&envelope);
      ++count;
    }
    if (count > 0) amqp_basic_ack(rabbit_.get(), kChannel, last, 1);
    return count;
  }

 private:
  Rabbit rabbit_;
};

// The Erlang port mapper outlives the server that starts it: give it a port of our own, and end it.
class PortMapper {
 public:
  PortMapper() : port_(free_port()) {}
  ~PortMapper() {
    const std::string epmd = find_program("epmd");
    const std::string command = fmt::format("{} -port {} -kill > /dev/null 2>&1", epmd, port_);
    if (!epmd.empty() && std::system(command.c_str()) != 0) { /* it was never started */
    }
  }
  PortMapper(const PortMapper&) = delete;
  PortMapper& operator=(const PortMapper&) = delete;
  int port() const { return port_; }

 private:
  int port_;
};

class RabbitServer : public Peer {
 public:
  explicit RabbitServer(const std::string& folder)
      : port_(free_port()),
        server_({find_program("rabbitmq-server")}, folder,
                {"HOME=" + folder, "RABBITMQ_NODENAME=bench@localhost", "RABBITMQ_MNESIA_BASE=" + folder,
                 "RABBITMQ_LOG_BASE=" + folder, "RABBITMQ_PID_FILE=" + folder + "/pid",
                 "RABBITMQ_ENABLED_PLUGINS_FILE=" + folder + "/plugins", "RABBITMQ_NODE_IP_ADDRESS=127.0.0.1",
                 "RABBITMQ_NODE_PORT=" + std::to_string(port_),
                 "RABBITMQ_DIST_PORT=" + std::to_string(free_port()),
                 "ERL_EPMD_PORT=" + std::to_string(mapper_.port())}) {
    { const Connection waits_until_it_listens(port_, server_); }
    Rabbit rabbit(port_);
    amqp_queue_declare(rabbit.get(), kChannel, bytes_of("jobs"), 0, 1, 0, 0, amqp_empty_table);
    rabbit.check();
  }
  std::unique_ptr<Producer> producer() override { return std::make_unique<RabbitProducer>(port_); }
  const Child& server() const override { return server_; }
  std::unique_ptr<Consumer> consumer() override { return std::make_unique<RabbitConsumer>(port_); }

 private:
  int port_;
  PortMapper mapper_;
  Child server_;
};

}  // namespace

PeerKind rabbitmq() {
  return {"rabbitmq", "durable, persistent, publisher confirms; completions are not confirmed (weaker)",
          "rabbitmq-server",
          [](const std::string& folder) { return std::make_unique<RabbitServer>(folder); }};
}

}  // namespace answermill::bench
