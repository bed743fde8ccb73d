// HTTP/1.1 on one connection: requests one after another, their bodies at the pace of whoever takes them.
//
// Thread: the loop's. Owned by its Peer.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "frontend/server/edge/answer.h"
#include "frontend/server/edge/http_exchange.h"
#include "frontend/server/edge/peer.h"
#include "frontend/server/edge/request_parser.h"
#include "frontend/server/edge/uri.h"

namespace answermill::frontend {

class HttpProtocol final : public PeerProtocol, public HttpAnswerer {
 public:
  explicit HttpProtocol(Peer& peer);
  ~HttpProtocol() override;

  void on_bytes(std::string_view bytes) override;
  void on_end() override;
  void on_written() override;
  void on_tick(TimePoint now) override;
  void on_stop() override;
  bool lasting() const override { return exchange_.answer == AnswerState::kStreaming; }
  void on_gone() override;
  void on_plaintext() override;

  void answer(std::uint64_t exchange, int status, std::string_view content_type, std::string body,
              const Headers& headers) override;
  bool open_stream(std::uint64_t exchange, int status, std::string_view content_type, const Headers& headers,
                   const std::shared_ptr<HttpBodyStream>& stream) override;
  void stream_write(std::uint64_t exchange, std::string_view bytes) override;
  void stream_end(std::uint64_t exchange) override;
  void stream_dropped(std::uint64_t exchange) override;
  std::size_t stream_pending() const override { return peer_.pending_bytes(); }

 private:
  enum class State {
    kIdle,     // between requests
    kHead,     // a header has begun
    kBody,     // the body is coming in
    kWaiting,  // the request is complete, its answer is not
    kClosing,  // the Peer brings it to its end, or another protocol has taken over
  };
  enum class BodyUse { kCollect, kSink, kDiscard };
  enum class AnswerState { kPending, kStreaming, kDone };

  struct Exchange {
    std::uint64_t number = 0;
    AnswerState answer = AnswerState::kPending;
    BodyUse body_use = BodyUse::kCollect;
    bool body_complete = false;
    bool keep_alive = true;
    bool http10 = false;
    bool head_only = false;
    bool chunked_answer = false;
    bool small_body = false;  // cheap enough to read to its end for the sake of the connection
    bool expects_continue = false;
    Headers sharing;  // sent with whatever answer there is
    Caller caller;
    Seat seat;  // of an open answer
  };

  void advance();
  bool step();  // false: nothing more can be done now
  bool step_head();
  bool step_body();
  void begin_request();
  Access access_to_files() const;
  void dispatch(const Target& target);
  // Knows the caller, asks whether he may, and counts it. False: he was answered.
  bool authorize(const Access& access);
  std::shared_ptr<Account> address_account() const;
  bool take_seats(const Access& access);
  bool take_forwarded_seat();
  bool upload_too_slow(TimePoint now);
  void begin_plain(const Handler& handler);
  void begin_upload(const UploadHandler& handler);
  void upgrade(const WebSocketRoute& route);
  void serve_file();
  void continue_body();
  void deliver_body(std::string piece);
  void sink_ready(std::uint64_t piece_number);
  void end_body();
  void complete_exchange();
  void close_after_answer();
  bool must_close() const;
  void refuse(const Refusal& refusal, Headers headers = {});
  void refuse(int status, std::string_view message, Headers headers = {}) {
    refuse(Refusal{status, std::string(message)}, std::move(headers));
  }
  void refuse_head(int status, std::string_view message);  // no request came of it
  void refuse_body(int status, std::string_view message);
  void drop_sink();
  void write_head(int status, std::string_view content_type, BodyFraming framing, std::size_t length,
                  const Headers& headers);
  std::shared_ptr<HttpResponder> responder();
  const EdgeLimits& limits() const { return peer_.context().config.limits; }

  Peer& peer_;
  std::shared_ptr<HttpLink> link_;
  State state_ = State::kIdle;
  std::string input_;  // received and not yet parsed
  std::optional<RequestParser> parser_;
  Request request_;
  Exchange exchange_;
  std::uint64_t last_number_ = 0;
  const Handler* handler_ = nullptr;  // of the plain route whose body is being collected
  std::unique_ptr<BodySink> sink_;
  std::string piece_;  // what the sink is working on
  std::uint64_t piece_number_ = 0;
  bool sink_busy_ = false;
  bool body_parsed_ = false;
  std::weak_ptr<HttpBodyStream> stream_;
  bool stream_filled_ = false;  // something was written since the last drain
  bool advancing_ = false;
  bool output_blocked_ = false;
  bool input_ended_ = false;
  // Of an upload: what came while we were ready to read it.
  struct Pace {
    std::uint64_t bytes = 0;
    TimePoint::duration waited{};
    TimePoint looked;
  };
  Pace pace_;
  TimePoint since_;  // entered the state; in kBody of a sink: the last byte
};

}  // namespace answermill::frontend
