#include "frontend/server/edge/http_exchange.h"

#include <boost/asio/post.hpp>
#include <utility>

#include "frontend/server/edge/answer.h"

namespace answermill::frontend {

HttpResponder::HttpResponder(std::shared_ptr<HttpLink> link, std::uint64_t exchange)
    : link_(std::move(link)), exchange_(exchange) {}

HttpResponder::~HttpResponder() {
  if (!answered_) send(500, kJsonType, error_json(500, "The request was dropped without an answer."), {});
}

void HttpResponder::send(int status, std::string_view content_type, std::string body, Headers headers) {
  if (std::exchange(answered_, true) || link_->answerer == nullptr) return;
  link_->answerer->answer(exchange_, status, content_type, std::move(body), headers);
}

std::shared_ptr<BodyStream> HttpResponder::stream(int status, std::string_view content_type,
                                                  Headers headers) {
  auto stream = std::make_shared<HttpBodyStream>(link_, exchange_);
  const bool opened = !std::exchange(answered_, true) && link_->answerer != nullptr &&
                      link_->answerer->open_stream(exchange_, status, content_type, headers, stream);
  if (!opened) HttpBodyStream::refuse(stream);
  return stream;
}

HttpBodyStream::HttpBodyStream(std::shared_ptr<HttpLink> link, std::uint64_t exchange)
    : link_(std::move(link)), exchange_(exchange) {}

HttpBodyStream::~HttpBodyStream() {
  if (!closed_ && link_->answerer != nullptr) link_->answerer->stream_dropped(exchange_);
}

void HttpBodyStream::write(std::string_view bytes) {
  if (!closed_ && link_->answerer != nullptr) link_->answerer->stream_write(exchange_, bytes);
}

void HttpBodyStream::end() {
  if (std::exchange(closed_, true)) return;
  // Callbacks often hold the stream itself; releasing them here breaks that circle.
  const auto drain = std::exchange(on_drain, nullptr);
  const auto close = std::exchange(on_close, nullptr);
  if (link_->answerer != nullptr) link_->answerer->stream_end(exchange_);
}

std::size_t HttpBodyStream::pending_bytes() const {
  return closed_ || link_->answerer == nullptr ? 0 : link_->answerer->stream_pending();
}

void HttpBodyStream::drained() {
  if (closed_ || !on_drain) return;
  const auto callback = on_drain;  // it may replace or release itself
  callback();
}

void HttpBodyStream::refuse(const std::shared_ptr<HttpBodyStream>& stream) {
  stream->closed_ = true;
  boost::asio::post(stream->link_->io, [stream] {
    const auto drain = std::exchange(stream->on_drain, nullptr);
    if (const auto callback = std::exchange(stream->on_close, nullptr)) callback();
  });
}

void HttpBodyStream::lost() {
  if (std::exchange(closed_, true)) return;
  const auto drain = std::exchange(on_drain, nullptr);
  if (const auto callback = std::exchange(on_close, nullptr)) callback();
}

}  // namespace answermill::frontend
