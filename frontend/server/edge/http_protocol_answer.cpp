// The answering half of HttpProtocol.
#include <boost/asio/post.hpp>
#include <utility>

#include "frontend/server/edge/admission.h"
#include "frontend/server/edge/answer.h"
#include "frontend/server/edge/http_protocol.h"
#include "shared/log/log.h"

namespace answermill::frontend {
namespace {

bool has_no_body(int status) { return status == 204 || status == 304; }

bool names_length(const Headers& headers) {
  for (const auto& [name, value] : headers) {
    if (header_lists(name, "content-length")) return true;
  }
  return false;
}

}  // namespace

std::shared_ptr<HttpResponder> HttpProtocol::responder() {
  return std::make_shared<HttpResponder>(link_, exchange_.number);
}

bool HttpProtocol::must_close() const {
  const bool unread = !exchange_.body_complete && !exchange_.small_body;
  return !exchange_.keep_alive || unread || (input_ended_ && input_.empty()) || peer_.context().stopping;
}

void HttpProtocol::write_head(int status, std::string_view content_type, BodyFraming framing,
                              std::size_t length, const Headers& headers) {
  AnswerHead head;
  head.status = status;
  head.content_type = content_type;
  head.framing = framing;
  head.length = length;
  head.keep_alive = !must_close();
  head.http10 = exchange_.http10;
  exchange_.keep_alive = head.keep_alive;
  if (exchange_.sharing.empty()) return peer_.write(format_head(head, headers));
  Headers all = headers;
  all.insert(all.end(), exchange_.sharing.begin(), exchange_.sharing.end());
  peer_.write(format_head(head, all));
}

void HttpProtocol::answer(std::uint64_t exchange, int status, std::string_view content_type, std::string body,
                          const Headers& headers) {
  if (exchange != exchange_.number || exchange_.answer != AnswerState::kPending || state_ == State::kClosing)
    return;
  const bool bare = has_no_body(status);
  write_head(status, bare ? std::string_view() : content_type,
             bare ? BodyFraming::kNone : BodyFraming::kLength, body.size(), headers);
  if (!bare && !exchange_.head_only) peer_.write(std::move(body));
  exchange_.answer = AnswerState::kDone;
  complete_exchange();
}

bool HttpProtocol::open_stream(std::uint64_t exchange, int status, std::string_view content_type,
                               const Headers& headers, const std::shared_ptr<HttpBodyStream>& stream) {
  if (exchange != exchange_.number || exchange_.answer != AnswerState::kPending ||
      state_ == State::kClosing) {
    return false;
  }
  BodyFraming framing = BodyFraming::kChunked;
  if (names_length(headers)) {
    framing = BodyFraming::kNone;
  } else if (exchange_.http10) {
    framing = BodyFraming::kUntilClose;
    exchange_.keep_alive = false;
  }
  exchange_.chunked_answer = framing == BodyFraming::kChunked;
  write_head(status, content_type, framing, 0, headers);
  if (exchange_.head_only) {
    exchange_.answer = AnswerState::kDone;
    complete_exchange();
    return false;
  }
  exchange_.answer = AnswerState::kStreaming;
  stream_ = stream;
  stream_filled_ = true;
  return true;
}

void HttpProtocol::stream_write(std::uint64_t exchange, std::string_view bytes) {
  if (exchange != exchange_.number || exchange_.answer != AnswerState::kStreaming || bytes.empty()) return;
  if (peer_.pending_bytes() > limits().queue_bytes) {
    log::warn("edge: a stream queued more than {} bytes for one client; it is cut", limits().queue_bytes);
    return peer_.abort();
  }
  stream_filled_ = true;
  if (!exchange_.chunked_answer) return peer_.write(bytes);
  peer_.write(std::string_view(chunk_prefix(bytes.size())));
  peer_.write(bytes);
  peer_.write(kChunkSuffix);
}

void HttpProtocol::stream_end(std::uint64_t exchange) {
  if (exchange != exchange_.number || exchange_.answer != AnswerState::kStreaming) return;
  if (exchange_.chunked_answer) peer_.write(kLastChunk);
  exchange_.answer = AnswerState::kDone;
  complete_exchange();
}

void HttpProtocol::stream_dropped(std::uint64_t exchange) {
  if (exchange == exchange_.number && exchange_.answer == AnswerState::kStreaming) peer_.abort();
}

void HttpProtocol::drop_sink() {
  sink_busy_ = false;
  ++piece_number_;
  if (!sink_) return;
  // The sink may be the caller: it goes on a clean stack, and the piece it may still read with it.
  auto doomed = std::make_shared<std::pair<std::unique_ptr<BodySink>, std::string>>(std::move(sink_),
                                                                                    std::move(piece_));
  boost::asio::post(peer_.context().io, [doomed] {});
}

void HttpProtocol::complete_exchange() {
  drop_sink();
  handler_ = nullptr;
  exchange_.seat.leave();
  if (!exchange_.keep_alive) return close_after_answer();
  if (!exchange_.body_complete) {
    exchange_.body_use = BodyUse::kDiscard;
    return;
  }
  state_ = State::kIdle;
  since_ = peer_.context().now;
  request_ = {};
  parser_.reset();
  peer_.resume_reading();
  // Pipelined requests; posted, because the caller may be a handler that still works on this answer.
  if (advancing_ || (input_.empty() && !input_ended_)) return;
  boost::asio::post(peer_.context().io, [link = link_] {
    if (link->answerer != nullptr) static_cast<HttpProtocol*>(link->answerer)->advance();
  });
}

void HttpProtocol::close_after_answer() {
  state_ = State::kClosing;
  peer_.finish(limits().drain_idle_timeout, limits().drain_total_timeout);
}

}  // namespace answermill::frontend
