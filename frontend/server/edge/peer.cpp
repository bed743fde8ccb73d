#include "frontend/server/edge/peer.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/post.hpp>
#include <cerrno>
#include <utility>

#include "shared/log/log.h"

namespace answermill::frontend {
namespace {

// A peer that takes everything must not keep the loop from the others.
constexpr std::size_t kFlushBudget = 256 * 1024;
// Beyond this the kernel holds back: a slow reader's bytes then wait with us, where they are counted.
constexpr int kUnsentBytes = 128 * 1024;

}  // namespace

void EdgeContext::post_end_of_turn(const std::shared_ptr<EdgeContext>& self) {
  if (std::exchange(end_posted, true)) return;
  boost::asio::post(io, [self] { self->end_turn(); });
}

void EdgeContext::end_turn() {
  constexpr std::size_t kAhead = 4;  // connections; memory is slower than the loop
  // Holding a message back costs far less than a system call: a few second ones are reason enough.
  constexpr std::uint32_t kFew = 16;
  end_posted = false;
  ++turn;
  const auto first = std::exchange(first_messages, 0);
  const auto more = std::exchange(more_messages, 0);
  if (first > 0) gathering = more > first / kFew;
  flushing.swap(dirty);
  for (std::size_t i = 0; i < flushing.size(); ++i) {
    if (i + kAhead < flushing.size() && flushing[i + kAhead] != nullptr)
      flushing[i + kAhead]->prefetch_output();
    if (flushing[i] != nullptr) flushing[i]->flush();
  }
  flushing.clear();
  // What a session said meanwhile, when it heard that its queue is empty, waits for the next end.
  if (dirty.empty()) frames.clear();
}

Peer::Peer(std::shared_ptr<EdgeContext> context, boost::asio::ip::tcp::socket socket, ListenScope scope,
           std::string address)
    : context_(std::move(context)),
      transport_(scope.tls ? context_->tls->transport(socket.native_handle())
                           : make_plain_transport(socket.native_handle())),
      last_read_(context_->now),
      shared_(context_.get()),
      last_progress_(context_->now),
      last_message_(context_->now),
      plain_fd_(scope.tls ? -1 : socket.native_handle()),
      socket_(std::move(socket)),
      scope_(scope),
      address_(std::move(address)),
      handshake_by_(context_->now + context_->config.limits.header_timeout) {
  const int on = 1;
  const int fd = socket_.native_handle();
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &kUnsentBytes, sizeof(kUnsentBytes));
}

void Peer::start(std::unique_ptr<PeerProtocol> protocol) {
  protocol_ = std::move(protocol);
  wait_readable();
}

void Peer::become(std::unique_ptr<PeerProtocol> protocol) {
  boost::asio::post(context_->io, [old = std::move(protocol_)] {});
  protocol_ = std::move(protocol);
}

void Peer::mark_dirty() {
  if (dirty_) return;
  dirty_ = true;
  if (!queued_) last_progress_ = shared_->now;
  dirty_at_ = static_cast<std::uint32_t>(shared_->dirty.size());
  shared_->dirty.push_back(this);
  if (!shared_->end_posted) shared_->post_end_of_turn(context_);
}

OutputQueue& Peer::before_write() {
  mark_dirty();
  queue_held();
  queued_ = true;
  if (!queue_) queue_ = std::make_unique<OutputQueue>();
  return *queue_;
}

void Peer::write(std::string_view bytes) {
  if (closed_ || finishing_ || bytes.empty()) return;
  before_write().append(bytes);
}

void Peer::write(std::string&& bytes) {
  if (closed_ || finishing_ || bytes.empty()) return;
  before_write().append(std::move(bytes));
}

void Peer::write(std::shared_ptr<const std::string> bytes) {
  if (closed_ || finishing_ || !bytes || bytes->empty()) return;
  before_write().append(std::move(bytes));
}

void Peer::send_message(bool text, std::string_view payload) {
  if (closed_ || finishing_) return;
  EdgeContext& shared = *shared_;
  last_message_ = shared.now;
  const bool first = !dirty_ && turn_ != shared.turn;
  ++(first ? shared.first_messages : shared.more_messages);
  TurnBuffer::Piece frame;
  if (plain_fd_ >= 0 && !queued_ && !waiting_writable_)
    frame = shared.frames.frame(text, payload, held_.size > 0 ? held_.end() : 0);
  if (frame.size > 0 && first && !shared.gathering) return send_now(frame);
  if (frame.size > 0 && (held_.size == 0 || held_.end() == frame.offset)) {
    mark_dirty();
    shared.frames.hold();
    held_ = {held_.size > 0 ? held_.offset : frame.offset, held_.size + frame.size};
    return;
  }
  queue_message(text, FramePayload::kPlain, payload);
}

void Peer::queue_message(bool text, FramePayload kind, std::string_view payload) {
  const std::size_t most = shared_->config.limits.queue_bytes;
  if (pending_bytes() > most) {
    log::warn("edge: a session queued more than {} bytes for one client; it is cut", most);
    return abort();
  }
  note_message();
  std::string header;
  append_frame_header(header, text, kind, payload.size());
  write(std::string_view(header));
  write(payload);
}

void Peer::send_now(TurnBuffer::Piece frame) {
  turn_ = shared_->turn;
  if (!shared_->end_posted) shared_->post_end_of_turn(context_);
  last_progress_ = shared_->now;
  held_ = frame;
  flush_held();
  if (queued_) wait_writable();
}

// What the kernel does not take now is queued.
void Peer::flush_held() {
  const std::string_view bytes = shared_->frames.view(held_);
  const ssize_t sent = ::send(plain_fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent == static_cast<ssize_t>(bytes.size())) {
    held_ = {};
    last_progress_ = shared_->now;
    return;
  }
  if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) return abort();
  const auto taken = static_cast<std::uint32_t>(std::max<ssize_t>(sent, 0));
  held_ = {held_.offset + taken, held_.size - taken};
  queue_held();
}

void Peer::queue_held() {
  if (held_.size == 0) return;
  if (!queue_) queue_ = std::make_unique<OutputQueue>();
  queue_->append(shared_->frames.view(held_));
  held_ = {};
  queued_ = true;
}

void Peer::flush() {
  dirty_ = false;
  if (closed_) return;
  if (waiting_writable_) return queue_held();
  if (held_.size > 0) {
    flush_held();
    if (closed_) return;
    if (!queued_) {
      if (finishing_ || noted_waiting_) wrote_everything();
      return;
    }
  }
  std::size_t written = 0;
  const auto outcome =
      queued_ ? queue_->write_to(*transport_, kFlushBudget, written) : OutputQueue::Outcome::kEmpty;
  queued_ = queued_ && !queue_->empty();
  if (written > 0) last_progress_ = context_->now;
  switch (outcome) {
    case OutputQueue::Outcome::kEmpty:
      wrote_everything();
      return;
    case OutputQueue::Outcome::kBlocked:
    case OutputQueue::Outcome::kMore:
      wait_writable();
      return;
    case OutputQueue::Outcome::kAwaitingPeer:
      flush_waits_input_ = true;
      return;
    case OutputQueue::Outcome::kFailed:
      abort();
      return;
  }
}

void Peer::wrote_everything() {
  if (!finishing_) return protocol_->on_written();
  if (shut_) return;
  const auto ended = transport_->end();
  if (ended.status == Transport::Status::kWantWrite) return wait_writable();
  shut_ = true;
  last_read_ = context_->now;
  finish_by_ = context_->now + finish_total_;
  if (input_ended_) abort();
}

void Peer::wait_writable() {
  if (waiting_writable_) return;
  waiting_writable_ = true;
  socket_.async_wait(boost::asio::ip::tcp::socket::wait_write,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       self->waiting_writable_ = false;
                       if (self->closed_) return;
                       if (error) return self->abort();
                       if (std::exchange(self->read_waits_writable_, false)) self->on_readable();
                       self->flush();
                     });
}

void Peer::resume_reading() {
  if (reading_) return;
  reading_ = true;
  wait_readable();
}

void Peer::wait_readable() {
  if (closed_ || waiting_readable_ || !reading_ || input_ended_) return;
  waiting_readable_ = true;
  socket_.async_wait(boost::asio::ip::tcp::socket::wait_read,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       self->waiting_readable_ = false;
                       if (self->closed_) return;
                       if (error) return self->abort();
                       self->on_readable();
                     });
}

void Peer::on_readable() {
  if (!reading_) return;
  auto& buffer = context_->read_buffer;
  const auto got = transport_->read(buffer.data(), buffer.size());
  if (got.bytes > 0) take(got.bytes);
  if (closed_) return;
  switch (got.status) {
    case Transport::Status::kDone:
    case Transport::Status::kWantRead:
      break;
    case Transport::Status::kWantWrite:
      read_waits_writable_ = true;
      wait_writable();
      break;
    case Transport::Status::kEnd:
      return input_over();
    case Transport::Status::kPlaintext:
      transport_ = make_plain_transport(socket_.native_handle());
      if (!finishing_) protocol_->on_plaintext();
      break;
    case Transport::Status::kFailed:
      return abort();
  }
  if (std::exchange(flush_waits_input_, false)) flush();
  wait_readable();
}

void Peer::take(std::size_t bytes) {
  last_read_ = context_->now;
  if (!finishing_) protocol_->on_bytes({context_->read_buffer.data(), bytes});
}

void Peer::input_over() {
  input_ended_ = true;
  if (!finishing_) {
    protocol_->on_end();
  } else if (shut_) {
    abort();
  }
}

void Peer::finish(std::chrono::milliseconds idle, std::chrono::milliseconds total) {
  if (closed_ || finishing_) return;
  mark_dirty();
  finishing_ = true;
  finish_idle_ = idle;
  finish_total_ = total;
  resume_reading();
}

void Peer::close_now() {
  closed_ = true;
  plain_fd_ = -1;
  boost::system::error_code ignored;
  socket_.close(ignored);
  queue_.reset();
  queued_ = false;
  held_ = {};
}

void Peer::abort() {
  if (closed_) return;
  close_now();
  boost::asio::post(context_->io, [self = shared_from_this()] { self->destroy(); });
}

void Peer::destroy() {
  if (!closed_) close_now();
  if (std::exchange(dirty_, false)) {
    auto& dirty = context_->dirty;
    const bool waits = dirty_at_ < dirty.size() && dirty[dirty_at_] == this;
    (waits ? dirty : context_->flushing)[dirty_at_] = nullptr;
  }
  const auto self = shared_from_this();
  context_->peers.erase(this);
  if (auto protocol = std::move(protocol_)) protocol->on_gone();
  if (context_->on_peer_gone) context_->on_peer_gone();
}

void Peer::tick() {
  if (closed_) return;
  const TimePoint now = context_->now;
  if (now > handshake_by_ && !transport_->established()) return abort();
  if (queued_ && now - last_progress_ > context_->config.limits.stall_timeout) return abort();
  if (!queued_ && now - last_progress_ > context_->tick) queue_.reset();
  if (now >= stop_at_) {
    stop_at_ = TimePoint::max();
    stop();
  }
  if (closed_) return;
  if (!finishing_) return protocol_->on_tick(now);
  if (shut_ && (now > finish_by_ || now - last_read_ > finish_idle_)) abort();
}

void Peer::stop() {
  if (!closed_ && !finishing_) protocol_->on_stop();
}

}  // namespace answermill::frontend
