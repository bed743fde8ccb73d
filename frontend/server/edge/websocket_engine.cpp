// Compiled as C++17 without precompiled headers: as C++20, g++ rejects three of websocketpp's headers.
#include "frontend/server/edge/websocket_engine.h"

#include <websocketpp/concurrency/none.hpp>
#include <websocketpp/config/core.hpp>
#include <websocketpp/logger/stub.hpp>
#include <websocketpp/server.hpp>

#include <algorithm>
#include <utility>

namespace answermill::frontend {
namespace {

// One thread per connection needs no locks, and no log line of ours is written here.
struct EngineConfig : public websocketpp::config::core {
  using type = EngineConfig;
  using base = websocketpp::config::core;
  using concurrency_type = websocketpp::concurrency::none;
  using request_type = base::request_type;
  using response_type = base::response_type;
  using message_type = base::message_type;
  using con_msg_manager_type = base::con_msg_manager_type;
  using endpoint_msg_manager_type = base::endpoint_msg_manager_type;
  using alog_type = websocketpp::log::stub;
  using elog_type = websocketpp::log::stub;
  using rng_type = base::rng_type;
  // NOLINTNEXTLINE(readability-identifier-naming): websocketpp looks it up by this name
  static constexpr std::size_t connection_read_buffer_size = 768;  // a part of every idle connection

  // NOLINTNEXTLINE(readability-identifier-naming): likewise
  struct transport_config : public base::transport_config {
    using concurrency_type = type::concurrency_type;
    using alog_type = type::alog_type;
    using elog_type = type::elog_type;
    using request_type = type::request_type;
    using response_type = type::response_type;
  };
  using transport_type = websocketpp::transport::iostream::endpoint<transport_config>;
};

using Server = websocketpp::server<EngineConfig>;
namespace opcode = websocketpp::frame::opcode;
namespace close_status = websocketpp::close::status;

class Engine final : public WebSocketEngine {
 public:
  Engine(Server& server, WebSocketEvents& events, std::string subprotocol)
      : events_(events), connection_(server.get_connection()) {
    connection_->set_write_handler([this](websocketpp::connection_hdl, const char* bytes, std::size_t size) {
      events_.on_output({bytes, size});
      return websocketpp::lib::error_code();
    });
    connection_->set_vector_write_handler(
        [this](websocketpp::connection_hdl, const std::vector<websocketpp::transport::buffer>& buffers) {
          for (const auto& buffer : buffers) events_.on_output({buffer.buf, buffer.len});
          return websocketpp::lib::error_code();
        });
    connection_->set_validate_handler([this, chosen = std::move(subprotocol)](websocketpp::connection_hdl) {
      websocketpp::lib::error_code error;
      if (!chosen.empty()) connection_->select_subprotocol(chosen, error);
      return !error;
    });
    connection_->set_open_handler([this](websocketpp::connection_hdl) { events_.on_handshake(); });
    connection_->set_message_handler([this](websocketpp::connection_hdl, const Server::message_ptr& message) {
      events_.on_message(message->get_opcode() == opcode::text, message->get_payload());
    });
    connection_->start();
  }

  // The connection's own read request holds a reference to it; ending the input releases that.
  ~Engine() override {
    connection_->set_open_handler(nullptr);
    connection_->set_message_handler(nullptr);
    connection_->set_validate_handler(nullptr);
    connection_->set_write_handler(
        [](websocketpp::connection_hdl, const char*, std::size_t) { return websocketpp::lib::error_code(); });
    connection_->set_vector_write_handler(
        [](websocketpp::connection_hdl, const std::vector<websocketpp::transport::buffer>&) {
          return websocketpp::lib::error_code();
        });
    connection_->eof();
  }

  void receive(std::string_view bytes) override { connection_->read_all(bytes.data(), bytes.size()); }

  State state() const override {
    switch (connection_->get_state()) {
      case websocketpp::session::state::connecting:
        return State::kConnecting;
      case websocketpp::session::state::open:
        return State::kOpen;
      // websocketpp starts closing by itself only after a violation, and reads nothing from then on; the
      // answer to a peer's close frame takes it to "closed" within the same call.
      case websocketpp::session::state::closing:
        return close_requested_ ? State::kClosing : State::kClosed;
      default:
        return State::kClosed;
    }
  }

  std::uint16_t close_code() const override {
    const auto remote = connection_->get_remote_close_code();
    return remote != close_status::abnormal_close ? remote : connection_->get_local_close_code();
  }

  void ping() override {
    websocketpp::lib::error_code ignored;
    connection_->ping(std::string(), ignored);
  }

  void close(std::uint16_t code, std::string_view reason) override {
    constexpr std::size_t kReasonBytes = 123;
    if (connection_->get_state() != websocketpp::session::state::open) return;
    close_requested_ = true;
    const bool sendable = !close_status::invalid(code) && !close_status::reserved(code);
    std::size_t length = std::min(reason.size(), kReasonBytes);
    while (length < reason.size() && length > 0 &&
           (static_cast<unsigned char>(reason[length]) & 0xC0) == 0x80) {
      --length;  // a cut inside a code point would not be UTF-8
    }
    websocketpp::lib::error_code ignored;
    connection_->close(sendable ? code : close_status::normal, std::string(reason.substr(0, length)),
                       ignored);
  }

 private:
  WebSocketEvents& events_;
  Server::connection_ptr connection_;
  bool close_requested_ = false;
};

}  // namespace

struct WebSocketEngines::Shared {
  Server server;
};

WebSocketEngines::WebSocketEngines(std::size_t maximum_message_bytes) : shared_(std::make_unique<Shared>()) {
  shared_->server.set_user_agent("");
  shared_->server.set_max_message_size(maximum_message_bytes);
}

WebSocketEngines::~WebSocketEngines() = default;

std::unique_ptr<WebSocketEngine> WebSocketEngines::make(WebSocketEvents& events, std::string subprotocol) {
  return std::make_unique<Engine>(shared_->server, events, std::move(subprotocol));
}

void append_frame_header(std::string& out, bool text, std::size_t payload_bytes) {
  const websocketpp::frame::basic_header basic(text ? opcode::text : opcode::binary, payload_bytes, true,
                                               false);
  const websocketpp::frame::extended_header extended(payload_bytes);
  out += websocketpp::frame::prepare_header(basic, extended);
}

}  // namespace answermill::frontend
