// Compiled as C++17 without precompiled headers: as C++20, g++ rejects three of websocketpp's headers.
#include "frontend/server/edge/websocket_engine.h"

#include <websocketpp/concurrency/none.hpp>
#include <websocketpp/config/core.hpp>
#include <websocketpp/logger/stub.hpp>
#include <websocketpp/server.hpp>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace answermill::frontend {
namespace {

namespace close_status = websocketpp::close::status;
namespace opcode = websocketpp::frame::opcode;
namespace processor_error = websocketpp::processor::error;

constexpr char kLimitAttribute[] = "limit";
constexpr char kAgreedAttribute[] = "agreed";

// In the place of websocketpp's permessage-deflate, which bounds what arrives and not what it inflates to,
// and keeps 42 KB for each connection. What it needs to know comes in our own upgrade request; what was
// agreed on with the client was settled before. Only what comes in passes here.
class BoundedDeflate {
 public:
  using Answer = std::pair<websocketpp::lib::error_code, std::string>;

  Answer negotiate(const websocketpp::http::attribute_list& attributes) {
    maximum_bytes_ = std::stoull(attributes.at(kLimitAttribute));
    CompressionTerms terms;
    if (const auto bits = attributes.find(kAgreedAttribute); bits != attributes.end())
      terms = {std::stoi(bits->second), true};
    return {{}, describe_terms(terms)};
  }
  websocketpp::lib::error_code init(bool /*server*/) {
    enabled_ = true;
    return {};
  }
  bool is_implemented() const { return true; }
  bool is_enabled() const { return enabled_; }
  std::string generate_offer() const { return {}; }
  websocketpp::lib::error_code compress(const std::string& /*in*/, std::string& /*out*/) {
    return make_error_code(processor_error::not_implemented);
  }
  websocketpp::lib::error_code decompress(const std::uint8_t* bytes, std::size_t size, std::string& out) {
    if (!inflater_) inflater_ = std::make_unique<MessageInflater>();
    switch (inflater_->inflate({reinterpret_cast<const char*>(bytes), size}, out, maximum_bytes_)) {
      case MessageInflater::Outcome::kDone:
        return {};
      case MessageInflater::Outcome::kTooLarge:
        return make_error_code(processor_error::message_too_big);
      case MessageInflater::Outcome::kBroken:
        break;
    }
    return make_error_code(processor_error::invalid_payload);
  }
  void end_message() { inflater_.reset(); }

 private:
  bool enabled_ = false;
  std::size_t maximum_bytes_ = 0;
  std::unique_ptr<MessageInflater> inflater_;  // while a compressed message comes in
};

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
  using permessage_deflate_type = BoundedDeflate;
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

}  // namespace
}  // namespace answermill::frontend

// Where websocketpp 0.8.2 is laxer than the RFCs, or closes with another code than they name.
namespace websocketpp::processor {

using answermill::frontend::EngineConfig;

// RFC 7692 section 6.1: only the first frame of a message may say that it is compressed.
template <>
lib::error_code hybi13<EngineConfig>::validate_incoming_basic_header(const frame::basic_header& header,
                                                                     bool /*is_server*/,
                                                                     bool new_message) const {
  const frame::opcode::value op = frame::get_opcode(header);
  const bool control = frame::opcode::is_control(op);
  const bool continues = op == frame::opcode::CONTINUATION;
  if (control && frame::get_basic_size(header) > frame::limits::payload_size_basic)
    return make_error_code(error::control_too_big);
  if (frame::get_rsv1(header) && (!m_permessage_deflate.is_enabled() || control || continues))
    return make_error_code(error::invalid_rsv_bit);
  if (frame::get_rsv2(header) || frame::get_rsv3(header)) return make_error_code(error::invalid_rsv_bit);
  if (frame::opcode::reserved(op) || frame::opcode::invalid(op))
    return make_error_code(error::invalid_opcode);
  if (control && !frame::get_fin(header)) return make_error_code(error::fragmented_control);
  if (!control && continues == new_message) return make_error_code(error::invalid_continuation);
  if (!frame::get_masked(header)) return make_error_code(error::masking_required);
  return {};
}

// RFC 6455 section 5.2: a longer form of a length than needed is an error of the protocol, not of ours.
template <>
lib::error_code hybi13<EngineConfig>::validate_incoming_extended_header(
    frame::basic_header header, frame::extended_header extended) const {
  const std::uint8_t form = frame::get_basic_size(header);
  const std::uint64_t size = frame::get_payload_size(header, extended);
  const bool too_long =
      (form == frame::payload_size_code_16bit && size <= frame::limits::payload_size_basic) ||
      (form == frame::payload_size_code_64bit && size <= frame::limits::payload_size_extended);
  const bool negative = (size >> 63) != 0;
  return too_long || negative ? make_error_code(error::protocol_violation) : lib::error_code();
}

// RFC 6455 section 8.1 for messages in fragments too: their last frame is a continuation and not a text.
template <>
lib::error_code hybi13<EngineConfig>::finalize_message() {
  std::string& payload = m_current_msg->msg_ptr->get_raw_payload();
  const bool text = m_current_msg->msg_ptr->get_opcode() == frame::opcode::TEXT;
  if (m_permessage_deflate.is_enabled() && m_current_msg->msg_ptr->get_compressed()) {
    constexpr std::uint8_t kTail[] = {0x00, 0x00, 0xFF, 0xFF};
    const std::size_t before = payload.size();
    const auto failed = m_permessage_deflate.decompress(kTail, sizeof(kTail), payload);
    m_permessage_deflate.end_message();
    if (failed) return failed;
    const auto fresh = payload.begin() + static_cast<std::ptrdiff_t>(before);
    if (text && !m_current_msg->validator.decode(fresh, payload.end()))
      return make_error_code(error::invalid_utf8);
  }
  if (text && !m_current_msg->validator.complete()) return make_error_code(error::invalid_utf8);
  m_state = READY;
  return {};
}

}  // namespace websocketpp::processor

namespace answermill::frontend {
namespace {

using Server = websocketpp::server<EngineConfig>;

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
  std::size_t maximum_message_bytes = 0;
};

WebSocketEngines::WebSocketEngines(std::size_t maximum_message_bytes) : shared_(std::make_unique<Shared>()) {
  shared_->server.set_user_agent("");
  shared_->server.set_max_message_size(maximum_message_bytes);
  shared_->maximum_message_bytes = maximum_message_bytes;
}

WebSocketEngines::~WebSocketEngines() = default;

std::unique_ptr<WebSocketEngine> WebSocketEngines::make(WebSocketEvents& events, std::string subprotocol) {
  return std::make_unique<Engine>(shared_->server, events, std::move(subprotocol));
}

std::string WebSocketEngines::compression_header(const CompressionTerms& terms) const {
  std::string out = "Sec-WebSocket-Extensions: permessage-deflate; ";
  out.append(kLimitAttribute).append("=").append(std::to_string(shared_->maximum_message_bytes));
  if (terms.window_asked)
    out.append("; ").append(kAgreedAttribute).append("=").append(std::to_string(terms.server_window_bits));
  return out;
}

void append_frame_header(std::string& out, bool text, FramePayload payload, std::size_t payload_bytes) {
  const websocketpp::frame::basic_header basic(text ? opcode::text : opcode::binary, payload_bytes, true,
                                               false, payload == FramePayload::kDeflated);
  const websocketpp::frame::extended_header extended(payload_bytes);
  out += websocketpp::frame::prepare_header(basic, extended);
}

}  // namespace answermill::frontend
