#include "frontend/server/edge/peer.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/post.hpp>
#include <utility>

namespace answermill::frontend {
namespace {

// A peer that takes everything must not keep the loop from the others.
constexpr std::size_t kFlushBudget = 256 * 1024;
// Beyond this the kernel holds back: a slow reader's bytes then wait with us, where they are counted.
constexpr int kUnsentBytes = 128 * 1024;

}  // namespace

Peer::Peer(std::shared_ptr<EdgeContext> context, boost::asio::ip::tcp::socket socket, ListenScope scope,
           std::string address)
    : context_(std::move(context)),
      socket_(std::move(socket)),
      transport_(scope.tls ? context_->tls->transport(socket_.native_handle())
                           : make_plain_transport(socket_.native_handle())),
      scope_(scope),
      address_(std::move(address)),
      handshake_by_(context_->now + context_->config.limits.header_timeout),
      last_progress_(context_->now),
      last_read_(context_->now) {
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
  if (queue_.empty()) last_progress_ = context_->now;
  context_->dirty.push_back(shared_from_this());
  if (context_->flush_posted) return;
  context_->flush_posted = true;
  boost::asio::post(context_->io, [context = context_] {
    context->flush_posted = false;
    for (const auto& peer : std::exchange(context->dirty, {})) peer->flush();
  });
}

void Peer::write(std::string_view bytes) {
  if (closed_ || finishing_ || bytes.empty()) return;
  mark_dirty();
  queue_.append(bytes);
}

void Peer::write(std::string&& bytes) {
  if (closed_ || finishing_ || bytes.empty()) return;
  mark_dirty();
  queue_.append(std::move(bytes));
}

void Peer::write(std::shared_ptr<const std::string> bytes) {
  if (closed_ || finishing_ || !bytes || bytes->empty()) return;
  mark_dirty();
  queue_.append(std::move(bytes));
}

void Peer::flush() {
  dirty_ = false;
  if (closed_ || waiting_writable_) return;
  std::size_t written = 0;
  const auto outcome = queue_.write_to(*transport_, kFlushBudget, written);
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

void Peer::abort() {
  if (closed_) return;
  closed_ = true;
  boost::system::error_code ignored;
  socket_.close(ignored);
  queue_.clear();
  boost::asio::post(context_->io, [self = shared_from_this()] { self->destroy(); });
}

void Peer::destroy() {
  if (!closed_) {
    closed_ = true;
    boost::system::error_code ignored;
    socket_.close(ignored);
    queue_.clear();
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
  if (!queue_.empty() && now - last_progress_ > context_->config.limits.stall_timeout) return abort();
  if (queue_.empty() && now - last_progress_ > context_->tick) queue_.clear();
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
