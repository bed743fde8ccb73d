// A real edge on a port of its own, and blocking clients to speak to it. For tests.
//
// Thread: the server's loop runs on a thread of its own; a Client belongs to the test's.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "frontend/server/edge/server.h"
#include "shared/base/unix_fd.h"

namespace answermill::frontend::test {

using Routes = std::function<void(Router&)>;

class RunningEdge {
 public:
  explicit RunningEdge(const Routes& routes,
                       EdgeConfig config = {});  // listens on 127.0.0.1:0 unless told otherwise
  ~RunningEdge();

  std::uint16_t port() const { return ports_.front(); }
  const std::vector<std::uint16_t>& ports() const { return ports_; }
  // Runs `task` on the loop and waits for it.
  void run(std::function<void()> task);
  void post(std::function<void()> task);
  EdgeServer& server() { return *server_; }

 private:
  boost::asio::io_context io_;
  std::unique_ptr<EdgeServer> server_;
  std::vector<std::uint16_t> ports_;
  std::thread thread_;
};

struct HttpAnswer {
  int status = 0;                              // 0: the connection ended before a whole answer
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
};

// Every read gives up after a few seconds and returns what there is.
class Client {
 public:
  explicit Client(std::uint16_t port, std::size_t receive_buffer = 0);

  void send(std::string_view bytes);
  // False when the peer no longer takes bytes.
  bool try_send(std::string_view bytes);
  std::string read_until(std::string_view marker);
  std::string read_exactly(std::size_t bytes);
  bool at_end();  // true when the peer has closed (or reset) the connection
  HttpAnswer answer(bool head_only = false);
  void half_close();
  void close() { fd_.reset(); }

 private:
  bool fill();

  UniqueFd fd_;
  std::string buffer_;
};

// One request with one answer on a connection of its own; Host is filled in.
HttpAnswer fetch(std::uint16_t port, std::string_view method, std::string_view target,
                 std::string_view body = {}, std::string_view headers = {});

struct Frame {
  int opcode = -1;  // -1: the connection ended
  bool final = true;
  std::string payload;
  int close_code() const;
};

class WsClient {
 public:
  WsClient(std::uint16_t port, std::string_view target, std::string_view headers = {},
           std::size_t receive_buffer = 0);
  const HttpAnswer& handshake() const { return handshake_; }
  void send(int opcode, std::string_view payload, bool final = true);
  void send_raw(std::string_view bytes) { client_.send(bytes); }
  bool try_send_raw(std::string_view bytes) { return client_.try_send(bytes); }
  Frame read();
  Client& client() { return client_; }

 private:
  Client client_;
  HttpAnswer handshake_;
};

std::string masked_frame(int opcode, std::string_view payload, bool final = true);

// A session made of functions; each may be empty.
struct ScriptedSession {
  std::function<void(WebSocket&)> open, drain;
  std::function<void(WebSocket&, std::string_view)> text, binary;
  std::function<void(std::uint16_t)> close;
};
WebSocketHandler scripted(ScriptedSession script);
WebSocketHandler echo();

}  // namespace answermill::frontend::test
