// One connection, plain or TLS: reads at the pace its protocol asks for, writes once or twice per loop turn,
// and ends in bounded time.
//
// Thread: the loop's. Owns: the socket, its transport, the output queue and the protocol spoken on it.
// A protocol may call anything here from within its callbacks; it is destroyed only on a clean stack.
#pragma once

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "frontend/server/edge/access_policy.h"
#include "frontend/server/edge/output_queue.h"
#include "frontend/server/edge/rate_bucket.h"
#include "frontend/server/edge/route_table.h"
#include "frontend/server/edge/server.h"
#include "frontend/server/edge/static_files.h"
#include "frontend/server/edge/tls.h"
#include "frontend/server/edge/token_ring.h"
#include "frontend/server/edge/transport.h"
#include "frontend/server/edge/turn_buffer.h"
#include "frontend/server/edge/websocket_engine.h"

namespace answermill::frontend {

using TimePoint = std::chrono::steady_clock::time_point;

class PeerProtocol {
 public:
  virtual ~PeerProtocol() = default;
  virtual void on_bytes(std::string_view bytes) = 0;  // valid during the call
  virtual void on_end() = 0;                          // the peer will send nothing more
  virtual void on_written() = 0;                      // the kernel has taken everything that was queued
  virtual void on_tick(TimePoint now) = 0;            // every EdgeContext::tick
  virtual void on_stop() = 0;                         // the server is going away: finish soon
  virtual bool lasting() const = 0;                   // nothing will end it soon by itself
  virtual void on_gone() = 0;                         // the connection is over; the last call
  // On a TLS port a peer began without TLS. What is written now goes out as it is.
  virtual void on_plaintext() {}
};

class Peer;

// What all connections of one server share.
struct EdgeContext {
  EdgeContext(boost::asio::io_context& loop, EdgeConfig settings)
      : io(loop),
        config(std::move(settings)),
        policy(config.allowed_hosts, config.allowed_origins),
        frames(std::min(TurnBuffer::kMostBytes, config.limits.queue_bytes)),
        engines(config.limits.websocket_message_bytes) {
    for (const auto& origin : config.cors_origins) policy.share_with(origin);
    tokens.set_fixed(config.access_token);
    usage->limits = config.usage;
  }

  boost::asio::io_context& io;
  EdgeConfig config;
  AccessPolicy policy;
  TokenRing tokens;
  std::shared_ptr<UsageBook> usage = std::make_shared<UsageBook>();
  RouteTable routes;
  StaticFiles files;
  TurnBuffer frames;
  WebSocketEngines engines;
  MessageDeflater deflater;               // of what WebSockets send, for all of them
  std::shared_ptr<const TlsContext> tls;  // for connections to come; null without a TLS listener
  std::vector<char> read_buffer = std::vector<char>(64 * 1024);  // one read at a time on one thread: shared
  std::unordered_map<Peer*, std::shared_ptr<Peer>> peers;
  std::size_t departing = 0;  // of them, those that only hear that there is no place for them
  RateBucket departures;
  std::size_t connections() const { return peers.size() - departing; }
  std::vector<Peer*> dirty;     // have something to be written at the end of this turn
  std::vector<Peer*> flushing;  // … of the turn that ends
  std::uint32_t turn = 1;
  // Messages of this turn: the first ones of their connections, and others.
  std::uint32_t first_messages = 0;
  std::uint32_t more_messages = 0;
  // Connections lately got several messages a turn: it pays to wait for its end with the first one too.
  bool gathering = false;
  bool end_posted = false;
  bool stopping = false;
  std::function<void()> on_peer_gone;                // may be empty
  TimePoint now = std::chrono::steady_clock::now();  // of the last tick: exact enough for timeouts
  std::chrono::milliseconds tick{1000};

  // The turn ends when everything that is ready now has been seen to.
  void post_end_of_turn(const std::shared_ptr<EdgeContext>& self);

 private:
  void end_turn();
};

// Whose connection it is, as long as it is open.
struct PeerSeats {
  Seat address;
  Seat token;
  std::shared_ptr<const Grant> holder;  // of the token's seat
};

class Peer : public std::enable_shared_from_this<Peer> {
 public:
  Peer(std::shared_ptr<EdgeContext> context, boost::asio::ip::tcp::socket socket, ListenScope scope,
       std::string address);

  void start(std::unique_ptr<PeerProtocol> protocol);
  // Another protocol takes over; the old one gets no further call.
  void become(std::unique_ptr<PeerProtocol> protocol);

  // Queued, and written at the end of the loop turn. Ignored once the connection is over.
  void write(std::string_view bytes);
  void write(std::string&& bytes);
  void write(std::shared_ptr<const std::string> bytes);
  // One uncompressed WebSocket message. The first one of a turn goes to the kernel at once unless others wait
  // or usually follow; the rest at the end of the turn. A peer for which too much is queued is cut.
  void send_message(bool text, std::string_view payload);
  // At the end of the turn in any case, and compressed or not.
  void queue_message(bool text, FramePayload kind, std::string_view payload);
  std::size_t pending_bytes() const { return (queue_ ? queue_->size() : 0) + held_.size; }
  // Somebody who saw that bytes are pending waits for on_written; whoever asks takes the note away.
  void note_waiting() { noted_waiting_ = true; }
  bool take_waiting() { return std::exchange(noted_waiting_, false); }
  TimePoint last_message() const { return last_message_; }  // in either direction; pings are none
  void note_message() { last_message_ = context_->now; }

  void pause_reading() { reading_ = false; }
  void resume_reading();

  // Writes what is queued, ends our direction, reads on (the bytes are thrown away) until the peer ends its
  // own, and closes. Closing at once would answer bytes still under way with a reset, which destroys our last
  // words.
  void finish(std::chrono::milliseconds idle, std::chrono::milliseconds total);
  // Cuts the connection; on_gone follows on a clean stack.
  void abort();
  // Cuts it now; for the server's own end, never from within a protocol.
  void destroy();

  // In place of the time that everybody has for TLS.
  void handshake_within(std::chrono::milliseconds time) { handshake_by_ = context_->now + time; }

  void tick();
  void stop();
  // Later, at one of the coming ticks.
  void stop_at(TimePoint time) { stop_at_ = time; }
  bool lasting() const { return !closed_ && !finishing_ && protocol_->lasting(); }
  void flush();
  void prefetch_output() const { __builtin_prefetch(&shared_); }

  bool open() const { return !closed_; }
  EdgeContext& context() { return *context_; }
  const ListenScope& scope() const { return scope_; }
  const std::string& address() const { return address_; }
  PeerSeats& seats() { return seats_; }

 private:
  void mark_dirty();
  OutputQueue& before_write();
  void send_now(TurnBuffer::Piece frame);
  void flush_held();
  void queue_held();
  void wait_readable();
  void on_readable();
  void wait_writable();
  void wrote_everything();
  void take(std::size_t bytes);
  void input_over();
  void close_now();

  std::shared_ptr<EdgeContext> context_;
  std::unique_ptr<Transport> transport_;
  std::unique_ptr<PeerProtocol> protocol_;
  TimePoint last_read_;  // while finishing
  TimePoint stop_at_ = TimePoint::max();

  // What a message to each of many thousand connections touches: these fields fill one cache line.
  alignas(64) EdgeContext* shared_;  // context_
  TimePoint last_progress_;          // of writing
  TimePoint last_message_;
  TurnBuffer::Piece held_;      // of context_->frames; only while queue_ is empty
  std::uint32_t turn_ = 0;      // in which a message was last sent at once
  std::uint32_t dirty_at_ = 0;  // place in context_->dirty
  int plain_fd_;                // -1: everything goes through transport_
  bool dirty_ = false;
  bool queued_ = false;  // queue_ is not empty
  bool waiting_writable_ = false;
  bool finishing_ = false;
  bool closed_ = false;
  bool noted_waiting_ = false;

  boost::asio::ip::tcp::socket socket_;
  std::unique_ptr<OutputQueue> queue_;  // null while there is no need of one
  ListenScope scope_;
  std::string address_;
  PeerSeats seats_;
  bool reading_ = true;
  bool waiting_readable_ = false;
  bool read_waits_writable_ = false;  // a handshake has something to send first
  bool flush_waits_input_ = false;    // … or to hear
  bool shut_ = false;                 // our direction has ended
  bool input_ended_ = false;          // the peer's direction has ended
  TimePoint handshake_by_;
  TimePoint finish_by_;  // counted from the end of our direction
  std::chrono::milliseconds finish_idle_{};
  std::chrono::milliseconds finish_total_{};
};

}  // namespace answermill::frontend
