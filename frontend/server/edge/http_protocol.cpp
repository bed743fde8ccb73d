// The receiving half: parsing, admission, routing and request bodies. http_protocol_answer.cpp has the other
// half.
//
// advance() is the one loop that consumes input. Whatever a handler does synchronously (answer, ask for the
// next piece) only changes state; the loop sees it afterwards, so nothing here recurses however many requests
// are queued.
#include "frontend/server/edge/http_protocol.h"

#include <utility>

#include "frontend/server/edge/admission.h"
#include "frontend/server/edge/answer.h"
#include "frontend/server/edge/uri.h"
#include "frontend/server/edge/websocket_protocol.h"

namespace answermill::frontend {
namespace {

constexpr std::size_t kPipelineBytes = 64 * 1024;  // input kept while an answer is on its way
constexpr std::size_t kOutputBytes = 1024 * 1024;  // answers nobody reads: no further request is begun
constexpr std::uint64_t kSmallBodyBytes = 64 * 1024;

}  // namespace

HttpProtocol::HttpProtocol(Peer& peer)
    : peer_(peer), link_(std::make_shared<HttpLink>(peer.context().io)), since_(peer.context().now) {
  link_->answerer = this;
}

HttpProtocol::~HttpProtocol() { link_->answerer = nullptr; }

void HttpProtocol::on_bytes(std::string_view bytes) {
  if (state_ == State::kClosing) return;
  input_.append(bytes);
  pace_.bytes += bytes.size();
  if (state_ == State::kBody && exchange_.body_use != BodyUse::kCollect) since_ = peer_.context().now;
  advance();
  const bool waiting = state_ == State::kWaiting || (state_ == State::kBody && sink_busy_) || output_blocked_;
  if (waiting && input_.size() >= kPipelineBytes) peer_.pause_reading();
}

void HttpProtocol::advance() {
  if (advancing_) return;
  advancing_ = true;
  while (state_ != State::kClosing && step()) {
  }
  advancing_ = false;
  if (state_ == State::kClosing || !input_ended_) return;
  // The peer has said all it will: what is incomplete now stays so.
  if (state_ == State::kIdle) return close_after_answer();
  if (state_ == State::kHead) refuse_head(400, "The request ended in its header.");
}

void HttpProtocol::refuse_head(int status, std::string_view message) {
  request_ = {};
  exchange_ = {};
  exchange_.number = ++last_number_;
  exchange_.keep_alive = false;
  refuse(status, message);
}

bool HttpProtocol::step() {
  switch (state_) {
    case State::kIdle:
      while (!input_.empty() && (input_.front() == '\r' || input_.front() == '\n')) input_.erase(0, 1);
      if (input_.empty()) return false;
      if (peer_.pending_bytes() > kOutputBytes) {
        output_blocked_ = true;
        return false;
      }
      state_ = State::kHead;
      since_ = peer_.context().now;
      parser_.emplace(limits().header_bytes);
      return true;
    case State::kHead:
      return step_head();
    case State::kBody:
      return step_body();
    case State::kWaiting:
    case State::kClosing:
      return false;
  }
  return false;
}

bool HttpProtocol::step_head() {
  const auto fed = parser_->feed(input_);
  input_.erase(0, fed.consumed);
  switch (fed.step) {
    case RequestParser::Step::kNeedMore:
      return false;
    case RequestParser::Step::kHead:
    case RequestParser::Step::kComplete:
      begin_request();
      return true;
    case RequestParser::Step::kRefused:
      break;
  }
  refuse_head(parser_->refusal().status, parser_->refusal().reason);
  return true;
}

void HttpProtocol::begin_request() {
  const RequestHead& head = parser_->head();
  exchange_ = {};
  exchange_.number = ++last_number_;
  exchange_.keep_alive = head.keep_alive && !peer_.context().stopping;
  exchange_.http10 = head.http10;
  exchange_.head_only = head.method == "HEAD";
  const bool has_body = head.chunked || head.content_length.value_or(0) > 0;
  exchange_.body_complete = !has_body;
  body_parsed_ = false;
  state_ = has_body ? State::kBody : State::kWaiting;
  since_ = peer_.context().now;

  request_ = {};
  request_.method = head.method;
  request_.headers = head.headers;
  request_.peer = peer_.address();
  request_.tls = peer_.scope().tls;
  const std::string_view expect = request_.header("expect");
  exchange_.expects_continue = has_body && !head.http10 && !expect.empty();
  exchange_.small_body =
      !expect.empty() ? false : head.content_length.value_or(kSmallBodyBytes + 1) <= kSmallBodyBytes;
  const bool of_server = head.method == "OPTIONS" && head.target == "*";  // RFC 9110 section 9.3.7
  auto target = parse_target(of_server ? std::string_view("/") : head.target);
  if (!target) return refuse(400, "The request's target is malformed.");
  request_.path = target->path;
  request_.query = target->query;

  const Arrival arrival{peer_.scope(), target->authority, head.http10, head.upgrade};
  const AccessPolicy& policy = peer_.context().policy;
  exchange_.sharing = sharing_headers(policy, request_);
  if (const Refusal refusal = admit(policy, request_, arrival); refusal.refused()) return refuse(refusal);
  if (!expect.empty() && !header_lists(expect, "100-continue")) {
    return refuse(417, "The only expectation understood here is 100-continue.");
  }
  if (of_server) {
    if (authorize(kNeedsAnything)) answer(exchange_.number, 204, {}, {}, {});
    return;
  }
  dispatch(*target);
}

// The page itself is open to all: it is no secret, and it is where people enter their token.
Access HttpProtocol::access_to_files() const {
  constexpr Access kPage{{}, Use::kRequest, true};
  const bool gets = request_.method == "GET" || request_.method == "HEAD";
  return gets && peer_.context().files.contains(request_.path) ? kPage : kNeedsAnything;
}

void HttpProtocol::dispatch(const Target& target) {
  const bool upgrading = parser_->head().upgrade && header_lists(request_.header("upgrade"), "websocket");
  RouteMatch match = peer_.context().routes.match(request_.method, target.segments, upgrading);
  if (is_preflight(peer_.context().policy, request_)) {
    const std::string_view methods = match.allow.empty() ? std::string_view("GET, HEAD") : match.allow;
    return answer(exchange_.number, 204, {}, {}, preflight_headers(request_, methods));
  }
  if (!authorize(match.action == nullptr ? access_to_files() : match.access)) return;
  if (match.action == nullptr) {
    if (match.allow.empty()) return serve_file();
    return refuse(405, "This path is not for that method.", {{"Allow", match.allow}});
  }
  request_.captures = std::move(match.captures);
  if (const auto* plain = std::get_if<Handler>(match.action)) return begin_plain(*plain);
  if (const auto* uploads = std::get_if<UploadHandler>(match.action)) return begin_upload(*uploads);
  if (!upgrading) {
    return refuse(426, "This path speaks WebSocket only.",
                  {{"Upgrade", "websocket"}, {"Connection", "Upgrade"}});
  }
  upgrade(std::get<WebSocketRoute>(*match.action));
}

void HttpProtocol::serve_file() {
  const bool known = peer_.context().files.contains(request_.path);
  if (!known) return refuse(404, "There is nothing at this address.");
  if (request_.method != "GET" && request_.method != "HEAD") {
    return refuse(405, "This path is not for that method.", {{"Allow", "GET, HEAD"}});
  }
  const StaticAnswer file = peer_.context().files.answer(request_);
  const std::size_t length = file.body ? file.body->size() : 0;
  write_head(file.status, file.content_type, file.body ? BodyFraming::kLength : BodyFraming::kNone, length,
             file.headers);
  if (!exchange_.head_only) peer_.write(file.body);
  exchange_.answer = AnswerState::kDone;
  complete_exchange();
}

void HttpProtocol::begin_plain(const Handler& handler) {
  if (exchange_.body_complete) return handler(std::move(request_), responder());
  if (parser_->head().content_length.value_or(0) > limits().body_bytes) {
    return refuse(413, "The request's body is too large.");
  }
  parser_->limit_body(limits().body_bytes);
  handler_ = &handler;
  continue_body();
}

void HttpProtocol::begin_upload(const UploadHandler& handler) {
  const RequestHead& head = parser_->head();
  if (!head.chunked && !head.content_length)
    return refuse(411, "An upload needs a Content-Length or chunks.");
  const std::uint64_t number = exchange_.number;
  auto sink = handler(request_, responder());
  if (exchange_.number != number || exchange_.answer == AnswerState::kDone || state_ == State::kClosing)
    return;
  pace_ = {0, {}, peer_.context().now};
  exchange_.body_use = sink ? BodyUse::kSink : BodyUse::kDiscard;
  sink_ = std::move(sink);
  if (!exchange_.body_complete) return continue_body();
  if (sink_) end_body();
}

void HttpProtocol::continue_body() {
  if (!std::exchange(exchange_.expects_continue, false) || !input_.empty()) return;
  peer_.write(std::string_view("HTTP/1.1 100 Continue\r\n\r\n"));
}

bool HttpProtocol::step_body() {
  if (sink_busy_) return false;
  if (body_parsed_) {
    end_body();
    return true;
  }
  const auto fed = parser_->feed(input_);
  input_.erase(0, fed.consumed);
  const bool endless_line =
      fed.step == RequestParser::Step::kNeedMore && input_.size() > limits().header_bytes;
  if (fed.step == RequestParser::Step::kRefused || endless_line) {
    const Refusal refusal =
        endless_line ? Refusal{400, "A chunk of the body is malformed."} : parser_->refusal();
    refuse_body(refusal.status, refusal.reason);
    return true;
  }
  body_parsed_ = fed.step == RequestParser::Step::kComplete;
  deliver_body(parser_->take_body());
  return body_parsed_ || fed.consumed > 0;
}

void HttpProtocol::refuse_body(int status, std::string_view message) {
  // The answer comes first: a sink that dies with its responder would answer 500.
  const auto sink = std::move(sink_);
  exchange_.small_body = false;
  refuse(status, message);
  if (sink) sink->on_abort();
}

void HttpProtocol::deliver_body(std::string piece) {
  if (piece.empty()) return;
  switch (exchange_.body_use) {
    case BodyUse::kCollect:
      request_.body.append(piece);
      return;
    case BodyUse::kDiscard:
      return;
    case BodyUse::kSink:
      break;
  }
  piece_ = std::move(piece);
  sink_busy_ = true;
  const std::uint64_t number = ++piece_number_;
  sink_->on_data(piece_, [link = std::weak_ptr<HttpLink>(link_), number] {
    const auto alive = link.lock();
    if (alive && alive->answerer != nullptr) static_cast<HttpProtocol*>(alive->answerer)->sink_ready(number);
  });
}

void HttpProtocol::sink_ready(std::uint64_t piece_number) {
  if (piece_number != piece_number_ || !sink_busy_ || state_ == State::kClosing) return;
  sink_busy_ = false;
  since_ = peer_.context().now;
  if (advancing_) return;
  advance();
  if (!sink_busy_) peer_.resume_reading();
}

void HttpProtocol::end_body() {
  exchange_.body_complete = true;
  state_ = State::kWaiting;
  since_ = peer_.context().now;
  if (exchange_.answer == AnswerState::kDone) return complete_exchange();
  if (sink_) return sink_->on_end();
  if (handler_ == nullptr) return;  // the upload's handler discards the body and answers later
  const Handler& handler = *std::exchange(handler_, nullptr);
  handler(std::move(request_), responder());
}

void HttpProtocol::upgrade(const WebSocketRoute& route) {
  const bool versioned = request_.header("sec-websocket-version") == "13";
  if (!versioned) {
    return refuse(426, "WebSocket version 13 is spoken here.",
                  {{"Upgrade", "websocket"}, {"Connection", "Upgrade"}, {"Sec-WebSocket-Version", "13"}});
  }
  constexpr std::size_t kKeyLength = 24;  // 16 bytes in base64
  if (request_.header("sec-websocket-key").size() != kKeyLength || !exchange_.body_complete ||
      exchange_.http10) {
    return refuse(400, "The WebSocket handshake is malformed.");
  }
  if (!take_forwarded_seat()) return;
  Refusal refusal;
  auto protocol = WebSocketProtocol::make(peer_, std::move(request_), route, refusal);
  if (!protocol) {
    request_ = {};
    return refuse(refusal.status == 0 ? 403 : refusal.status,
                  refusal.reason.empty() ? "The connection was refused." : refusal.reason);
  }
  state_ = State::kClosing;
  link_->answerer = nullptr;
  WebSocketProtocol& next = *protocol;
  peer_.become(std::move(protocol));
  peer_.resume_reading();
  next.begin(std::exchange(input_, {}));
}

void HttpProtocol::on_end() {
  input_ended_ = true;
  if (state_ == State::kBody) {
    state_ = State::kClosing;
    return peer_.abort();
  }
  // Half-closed: a plain answer can still be read, but nobody waits at the end of an endless stream.
  if (state_ == State::kWaiting && exchange_.answer == AnswerState::kStreaming) return peer_.abort();
  if (state_ != State::kWaiting) advance();
}

void HttpProtocol::on_plaintext() {
  exchange_ = {};
  exchange_.number = ++last_number_;
  exchange_.keep_alive = false;
  refuse(400, "This port speaks TLS: write https:// or wss://.");
}

void HttpProtocol::on_written() {
  if (output_blocked_) {
    output_blocked_ = false;
    peer_.resume_reading();
    advance();
  }
  if (exchange_.answer != AnswerState::kStreaming || !std::exchange(stream_filled_, false)) return;
  if (const auto stream = stream_.lock()) stream->drained();
}

void HttpProtocol::on_tick(TimePoint now) {
  const auto waited = now - since_;
  switch (state_) {
    case State::kIdle:
      if (input_.empty()) input_ = std::string();
      if (waited > limits().keep_alive_timeout) close_after_answer();
      return;
    case State::kHead:
      if (waited <= limits().header_timeout) return;
      ++peer_.context().usage->refused.slow_requests;
      return refuse_head(408, "The request did not arrive in time.");
    case State::kBody:
      if (exchange_.caller.revoked()) return refuse_body(401, "The access token was revoked.");
      if (upload_too_slow(now)) return refuse_body(408, "The upload is too slow.");
      if (sink_busy_ || waited <= limits().body_timeout) return;
      ++peer_.context().usage->refused.slow_requests;
      return refuse_body(408, "The request's body did not arrive in time.");
    case State::kWaiting:
      if (exchange_.answer == AnswerState::kStreaming && exchange_.caller.revoked()) peer_.abort();
      return;
    case State::kClosing:
      return;
  }
}

void HttpProtocol::on_stop() {
  exchange_.keep_alive = false;
  if (state_ == State::kIdle || state_ == State::kHead) return close_after_answer();
  if (exchange_.answer != AnswerState::kStreaming) return;
  // Cut off without its last chunk: the client sees that more was to come, and resumes elsewhere.
  const auto stream = stream_.lock();
  close_after_answer();
  if (stream) stream->lost();
}

void HttpProtocol::on_gone() {
  state_ = State::kClosing;
  link_->answerer = nullptr;
  if (auto sink = std::move(sink_)) {
    if (!exchange_.body_complete) sink->on_abort();
  }
  if (const auto stream = stream_.lock()) stream->lost();
}

}  // namespace answermill::frontend
