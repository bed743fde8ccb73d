// beanstalkd with a binlog and -f 0: fsync at every write.
// Source: https://github.com/beanstalkd/beanstalkd/blob/master/doc/protocol.txt
#include <fmt/format.h>

#include "bench/queue/child.h"
#include "bench/queue/peer.h"

namespace answermill::bench {
namespace {

class BeanstalkProducer : public Producer {
 public:
  explicit BeanstalkProducer(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {}
  void submit(std::string_view payload) override {
    connection_->write(fmt::format("put 0 0 600 {}\r\n{}\r\n", payload.size(), payload));
  }
  void flush() override { connection_->flush(); }
  std::size_t confirmed(int wait_ms) override {
    if (!connection_->wait(wait_ms)) return 0;
    std::size_t count = 0;
    do {
      if (connection_->line().substr(0, 8) != "INSERTED") throw PeerError("put was refused");
      ++count;
    } while (connection_->has_buffered());
    return count;
  }

 private:
  std::unique_ptr<Connection> connection_;
};

class BeanstalkConsumer : public Consumer {
 public:
  explicit BeanstalkConsumer(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {}
  std::size_t work(const std::function<void(std::string_view)>& started) override {
    // A reserve that waits blocks its connection: wait for one job, then take what is there.
    std::string deletes;
    if (!take("reserve-with-timeout 1\r\n", 1, deletes, started)) return 0;
    std::string more;
    for (int i = 1; i < kBurst; ++i) more += "reserve-with-timeout 0\r\n";
    take(more, kBurst - 1, deletes, started);
    connection_->write(deletes);
    connection_->flush();
    const std::size_t count = std::exchange(taken_, 0);
    for (std::size_t i = 0; i < count; ++i) {
      if (connection_->line() != "DELETED") throw PeerError("delete was refused");
    }
    return count;
  }

 private:
  static constexpr int kBurst = 64;

  bool take(std::string_view commands, int count, std::string& deletes,
            const std::function<void(std::string_view)>& started) {
    connection_->write(commands);
    connection_->flush();
    bool any = false;
    for (int i = 0; i < count; ++i) {
      const std::string line(connection_->line());
      if (line.substr(0, 8) != "RESERVED") continue;  // TIMED_OUT
      const auto space = line.find(' ', 9);
      const std::string id = line.substr(9, space - 9);
      const auto size = std::stoul(line.substr(space + 1));
      started(connection_->exactly(size));
      connection_->exactly(2);
      deletes += "delete " + id + "\r\n";
      ++taken_;
      any = true;
    }
    return any;
  }

  std::unique_ptr<Connection> connection_;
  std::size_t taken_ = 0;
};

class Beanstalk : public Peer {
 public:
  explicit Beanstalk(const std::string& folder)
      : port_(free_port()),
        server_({find_program("beanstalkd"), "-l", "127.0.0.1", "-p", std::to_string(port_), "-b", folder,
                 "-f", "0"},
                folder) {}
  std::unique_ptr<Producer> producer() override {
    return std::make_unique<BeanstalkProducer>(std::make_unique<Connection>(port_, server_));
  }
  const Child& server() const override { return server_; }
  std::unique_ptr<Consumer> consumer() override {
    return std::make_unique<BeanstalkConsumer>(std::make_unique<Connection>(port_, server_));
  }

 private:
  int port_;
  Child server_;
};

}  // namespace

PeerKind beanstalkd() {
  return {"beanstalkd", "binlog, fsync at every write (-f 0)", "beanstalkd",
          [](const std::string& folder) { return std::make_unique<Beanstalk>(folder); }};
}

}  // namespace answermill::bench
