// The handler's side of one HTTP exchange: Responder and BodyStream as handles that outlive the connection
// safely.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "frontend/server/edge/http.h"

namespace answermill::frontend {

class HttpBodyStream;

// What the handles ask of the connection. Calls with the number of a past exchange have no effect.
class HttpAnswerer {
 public:
  virtual ~HttpAnswerer() = default;
  virtual void answer(std::uint64_t exchange, int status, std::string_view content_type, std::string body,
                      const Headers& headers) = 0;
  // False when there is nothing to stream to (HEAD, or answered already): the stream is then closed from the
  // start.
  virtual bool open_stream(std::uint64_t exchange, int status, std::string_view content_type,
                           const Headers& headers, const std::shared_ptr<HttpBodyStream>& stream) = 0;
  virtual void stream_write(std::uint64_t exchange, std::string_view bytes) = 0;
  virtual void stream_end(std::uint64_t exchange) = 0;
  virtual void stream_dropped(std::uint64_t exchange) = 0;
  virtual std::size_t stream_pending() const = 0;
};

struct HttpLink {
  explicit HttpLink(boost::asio::io_context& loop) : io(loop) {}
  boost::asio::io_context& io;
  HttpAnswerer* answerer = nullptr;  // null when the connection has ended
};

class HttpResponder final : public Responder {
 public:
  HttpResponder(std::shared_ptr<HttpLink> link, std::uint64_t exchange);
  ~HttpResponder() override;
  void send(int status, std::string_view content_type, std::string body, Headers headers) override;
  std::shared_ptr<BodyStream> stream(int status, std::string_view content_type, Headers headers) override;

 private:
  std::shared_ptr<HttpLink> link_;
  std::uint64_t exchange_;
  bool answered_ = false;
};

class HttpBodyStream final : public BodyStream {
 public:
  HttpBodyStream(std::shared_ptr<HttpLink> link, std::uint64_t exchange);
  ~HttpBodyStream() override;  // without end(): the client sees the body cut off
  void write(std::string_view bytes) override;
  void end() override;
  std::size_t pending_bytes() const override;
  bool closed() const override { return closed_; }

  // For the connection.
  void drained();
  void lost();  // calls on_close, once
  // Closed from the start: on_close is called when the handler has had the time to set it.
  static void refuse(const std::shared_ptr<HttpBodyStream>& stream);

 private:
  std::shared_ptr<HttpLink> link_;
  std::uint64_t exchange_;
  bool closed_ = false;
};

}  // namespace answermill::frontend
