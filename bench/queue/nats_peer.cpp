// NATS JetStream: a file-backed work-queue stream, publish acknowledgements, one pull consumer shared by all
// workers, acknowledged acks. Source: https://docs.nats.io/reference/reference-protocols/nats-protocol and
// https://docs.nats.io/reference/reference-protocols/nats_api_reference
#include <fmt/format.h>
#include <fmt/os.h>

#include "bench/queue/child.h"
#include "bench/queue/peer.h"

namespace answermill::bench {
namespace {

struct NatsMessage {
  std::string subject;
  std::string reply;
  std::string headers;
  std::string payload;
};

std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  std::size_t at = 0;
  while (at < line.size()) {
    const auto end = std::min(line.find(' ', at), line.size());
    if (end > at) words.emplace_back(line.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

class Nats {
 public:
  Nats(int port, const Child& server) : connection_(port, server) {
    connection_.line();  // INFO
    connection_.write("CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true}\r\n");
  }
  void subscribe(const std::string& subject) {
    connection_.write(fmt::format("SUB {} {}\r\n", subject, ++subscriptions_));
  }
  void publish(std::string_view subject, std::string_view reply, std::string_view payload) {
    connection_.write(fmt::format("PUB {} {} {}\r\n{}\r\n", subject, reply, payload.size(), payload));
  }
  Connection& connection() { return connection_; }
  NatsMessage receive() {
    while (true) {
      const auto words = words_of(connection_.line());
      if (words.empty()) continue;
      if (words[0] == "PING") {
        connection_.write("PONG\r\n");
        connection_.flush();
      } else if (words[0] == "MSG" || words[0] == "HMSG") {
        return body(words);
      } else if (words[0] == "-ERR") {
        throw PeerError("NATS: " + words.back());
      }
    }
  }
  std::string request(const std::string& subject, const std::string& payload) {
    publish(subject, "_INBOX.setup", payload);
    connection_.flush();
    return receive().payload;
  }

 private:
  NatsMessage body(const std::vector<std::string>& words) {
    NatsMessage message;
    const bool headers = words[0] == "HMSG";
    const std::size_t plain = headers ? 5 : 4;
    message.subject = words[1];
    if (words.size() > plain) message.reply = words[3];
    const std::size_t total = std::stoul(words.back());
    const std::size_t head = headers ? std::stoul(words[words.size() - 2]) : 0;
    const auto bytes = connection_.exactly(total);
    message.headers = bytes.substr(0, head);
    message.payload = bytes.substr(head);
    connection_.exactly(2);
    return message;
  }
  Connection connection_;
  int subscriptions_ = 0;
};

class NatsProducer : public Producer {
 public:
  NatsProducer(int port, const Child& server) : nats_(port, server) { nats_.subscribe("_INBOX.p"); }
  void submit(std::string_view payload) override { nats_.publish("jobs", "_INBOX.p", payload); }
  void flush() override { nats_.connection().flush(); }
  std::size_t confirmed(int wait_ms) override {
    if (!nats_.connection().wait(wait_ms)) return 0;
    std::size_t count = 0;
    do {
      if (nats_.receive().payload.find("\"error\"") != std::string::npos) throw PeerError("publish refused");
      ++count;
    } while (nats_.connection().has_buffered());
    return count;
  }

 private:
  Nats nats_;
};

class NatsConsumer : public Consumer {
 public:
  NatsConsumer(int port, const Child& server, const std::string& name)
      : nats_(port, server), jobs_("_INBOX.j" + name), acks_("_INBOX.a" + name) {
    nats_.subscribe(jobs_);
    nats_.subscribe(acks_);
  }
  std::size_t work(const std::function<void(std::string_view)>& started) override {
    if (wanted_ <= kPrefetch / 2) {
      nats_.publish("$JS.API.CONSUMER.MSG.NEXT.S.C", jobs_,
                    fmt::format("{{\"batch\":{},\"expires\":1000000000}}", kPrefetch - wanted_));
      wanted_ = kPrefetch;
    }
    nats_.connection().flush();
    if (!nats_.connection().wait(20)) return 0;
    std::size_t done = 0;
    do {
      const NatsMessage message = nats_.receive();
      if (message.subject == acks_) {
        ++done;
      } else if (message.reply.empty()) {
        wanted_ = 0;  // the request ran out (408) or was full
      } else {
        started(message.payload);
        nats_.publish(message.reply, acks_, "+ACK");
        --wanted_;
      }
    } while (nats_.connection().has_buffered());
    nats_.connection().flush();
    return done;
  }

 private:
  Nats nats_;
  std::string jobs_;
  std::string acks_;
  int wanted_ = 0;
};

class JetStream : public Peer {
 public:
  explicit JetStream(const std::string& folder)
      : port_(free_port()),
        server_({find_program("nats-server"), "-c", configuration(folder, port_)}, folder) {
    Nats nats(port_, server_);
    nats.subscribe("_INBOX.setup");
    expect(nats.request("$JS.API.STREAM.CREATE.S",
                        R"({"name":"S","subjects":["jobs"],"retention":"workqueue","storage":"file"})"));
    expect(nats.request("$JS.API.CONSUMER.DURABLE.CREATE.S.C",
                        R"({"stream_name":"S","config":{"durable_name":"C","ack_policy":"explicit",)"
                        R"("max_ack_pending":100000,"ack_wait":600000000000}})"));
  }
  std::unique_ptr<Producer> producer() override { return std::make_unique<NatsProducer>(port_, server_); }
  const Child& server() const override { return server_; }
  std::unique_ptr<Consumer> consumer() override {
    return std::make_unique<NatsConsumer>(port_, server_, std::to_string(++consumers_));
  }

 private:
  static std::string configuration(const std::string& folder, int port) {
    const std::string path = folder + "/nats.conf";
    auto file = fmt::output_file(path);
    file.print("listen: 127.0.0.1:{}\njetstream {{ store_dir: \"{}\" }}\n", port, folder);
    return path;
  }
  static void expect(const std::string& answer) {
    if (answer.find("\"error\"") != std::string::npos) throw PeerError("NATS: " + answer);
  }
  int port_;
  Child server_;
  int consumers_ = 0;
};

}  // namespace

PeerKind nats_jetstream() {
  return {"nats jetstream", "WEAKER: Debian's 2.9 has no sync_interval; it syncs every two minutes",
          "nats-server", [](const std::string& folder) { return std::make_unique<JetStream>(folder); }};
}

}  // namespace answermill::bench
