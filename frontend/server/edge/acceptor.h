// Accepts connections on one listening socket and turns them into peers.
//
// Thread: the loop's. Owns: the listening socket.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <memory>
#include <optional>
#include <string>

#include "frontend/server/edge/listener.h"
#include "frontend/server/edge/peer.h"

namespace answermill::frontend {

class Acceptor : public std::enable_shared_from_this<Acceptor> {
 public:
  Acceptor(std::shared_ptr<EdgeContext> context, Listener listener);

  void start();
  void stop();
  // Ends a pause that was made because the process had no descriptors left.
  void tick();

 private:
  void wait();
  void accept_some();
  void admit_socket(int fd);
  std::shared_ptr<Peer> peer_of(int fd, const std::string& address);  // takes the descriptor
  void turn_away(int fd, const Refusal& refusal);                     // likewise
  std::optional<Seat> seat_for(const std::string& address);

  std::shared_ptr<EdgeContext> context_;
  ListenScope scope_;
  boost::asio::ip::tcp protocol_ = boost::asio::ip::tcp::v4();
  boost::asio::ip::tcp::socket socket_;  // a listening one; Asio only watches it
  bool paused_ = false;
  bool stopped_ = false;
};

}  // namespace answermill::frontend
