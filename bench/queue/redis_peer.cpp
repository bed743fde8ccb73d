// Redis streams with appendfsync always: XADD, a consumer group, XACK. Every reply comes after the fsync.
// Source: https://redis.io/docs/latest/develop/reference/protocol-spec/ and /commands/xreadgroup/
#include <fmt/format.h>

#include "bench/queue/child.h"
#include "bench/queue/peer.h"

namespace answermill::bench {
namespace {

std::string command(std::initializer_list<std::string_view> words) {
  std::string text = fmt::format("*{}\r\n", words.size());
  for (const auto word : words) text += fmt::format("${}\r\n{}\r\n", word.size(), word);
  return text;
}

long number_of(std::string_view line) { return std::stol(std::string(line.substr(1))); }

// A bulk string; empty for nil.
std::string bulk(Connection& connection) {
  const auto size = number_of(connection.line());
  if (size < 0) return {};
  std::string bytes(connection.exactly(static_cast<std::size_t>(size)));
  connection.exactly(2);
  return bytes;
}

class RedisProducer : public Producer {
 public:
  explicit RedisProducer(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {}
  void submit(std::string_view payload) override {
    connection_->write(command({"XADD", "jobs", "*", "p", payload}));
  }
  void flush() override { connection_->flush(); }
  std::size_t confirmed(int wait_ms) override {
    if (!connection_->wait(wait_ms)) return 0;
    std::size_t count = 0;
    do {
      if (bulk(*connection_).empty()) throw PeerError("XADD was refused");
      ++count;
    } while (connection_->has_buffered());
    return count;
  }

 private:
  std::unique_ptr<Connection> connection_;
};

class RedisConsumer : public Consumer {
 public:
  RedisConsumer(std::unique_ptr<Connection> connection, std::string name)
      : connection_(std::move(connection)), name_(std::move(name)) {}
  std::size_t work(const std::function<void(std::string_view)>& started) override {
    connection_->write(command({"XREADGROUP", "GROUP", "g", name_, "COUNT", std::to_string(kPrefetch),
                                "BLOCK", "20", "STREAMS", "jobs", ">"}));
    connection_->flush();
    if (number_of(connection_->line()) < 1) return 0;  // *-1: nothing came
    connection_->line();                               // *2
    bulk(*connection_);                                // the stream's name
    const auto count = number_of(connection_->line());
    std::string acknowledge = fmt::format("*{}\r\n$4\r\nXACK\r\n$4\r\njobs\r\n$1\r\ng\r\n", 3 + count);
    for (long i = 0; i < count; ++i) {
      connection_->line();  // *2
      const std::string id = bulk(*connection_);
      connection_->line();  // *2
      bulk(*connection_);
      started(bulk(*connection_));
      acknowledge += fmt::format("${}\r\n{}\r\n", id.size(), id);
    }
    connection_->write(acknowledge);
    connection_->flush();
    return static_cast<std::size_t>(number_of(connection_->line()));
  }

 private:
  std::unique_ptr<Connection> connection_;
  std::string name_;
};

class Redis : public Peer {
 public:
  explicit Redis(const std::string& folder)
      : port_(free_port()),
        server_({find_program("redis-server"), "--port", std::to_string(port_), "--bind", "127.0.0.1",
                 "--dir", folder, "--appendonly", "yes", "--appendfsync", "always", "--save", ""},
                folder) {
    Connection connection(port_, server_);
    connection.write(command({"XGROUP", "CREATE", "jobs", "g", "$", "MKSTREAM"}));
    connection.flush();
    if (connection.line() != "+OK") throw PeerError("XGROUP CREATE failed");
  }
  std::unique_ptr<Producer> producer() override {
    return std::make_unique<RedisProducer>(std::make_unique<Connection>(port_, server_));
  }
  const Child& server() const override { return server_; }
  std::unique_ptr<Consumer> consumer() override {
    return std::make_unique<RedisConsumer>(std::make_unique<Connection>(port_, server_),
                                           std::to_string(++consumers_));
  }

 private:
  int port_;
  Child server_;
  int consumers_ = 0;
};

}  // namespace

PeerKind redis_streams() {
  return {"redis streams", "AOF fsync before every reply", "redis-server",
          [](const std::string& folder) { return std::make_unique<Redis>(folder); }};
}

}  // namespace answermill::bench
