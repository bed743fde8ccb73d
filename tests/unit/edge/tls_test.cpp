#include "frontend/server/edge/tls.h"

#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/unit/edge/edge_fixture.h"
#include "tests/unit/edge/tls_fixture.h"

namespace answermill::frontend::test {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kHello = "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n";

class UploadEcho final : public BodySink {
 public:
  explicit UploadEcho(ResponderPtr responder) : responder_(std::move(responder)) {}
  void on_data(std::string_view bytes, std::function<void()> ready) override {
    body_ += bytes;
    ready();
  }
  void on_end() override { responder_->send(200, "application/octet-stream", std::move(body_)); }
  void on_abort() override {}

 private:
  ResponderPtr responder_;
  std::string body_;
};

void routes(Router& router) {
  router.route("GET", "/hello",
               [](Request, ResponderPtr responder) { responder->send(200, "text/plain", "hello"); });
  router.upload("POST", "/echo", [](const Request&, ResponderPtr responder) {
    return std::make_unique<UploadEcho>(std::move(responder));
  });
  router.websocket("/ws", {}, echo());
}

EdgeConfig over_tls(const TlsFiles& files) {
  EdgeConfig config;
  config.listen = {"https://127.0.0.1:0"};
  config.tls = files;
  return config;
}

std::string body_of(TlsClient& client) {
  const std::string head = client.read_until("\r\n\r\n");
  const std::string_view name = "Content-Length: ";
  const std::size_t at = head.find(name);
  return at == std::string::npos ? std::string() : client.read(std::stoul(head.substr(at + name.size())));
}

std::string upgrade_request(std::string_view headers = {}) {
  return "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
         std::string(headers) + "\r\n";
}

// Different bytes everywhere, so that nothing lost or repeated goes unseen.
std::string noise(std::size_t bytes) {
  std::string out(bytes, '\0');
  std::uint32_t state = 1;
  for (auto& byte : out) {
    state = state * 1'664'525 + 1'013'904'223;
    byte = static_cast<char>(state >> 24);
  }
  return out;
}

TEST(EdgeTls, SpeaksHttpInBothVersionsAndKeepsTheConnection) {
  const CertificateFolder folder;
  RunningEdge edge(routes, over_tls(folder.make("one")));
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsClient client(edge.port(), {version});
    ASSERT_TRUE(client.connected());
    for (int i = 0; i < 3; ++i) {
      ASSERT_TRUE(client.send(kHello));
      EXPECT_EQ(body_of(client), "hello");
    }
  }
}

TEST(EdgeTls, RefusesOldVersionsAndOtherProtocols) {
  const CertificateFolder folder;
  RunningEdge edge(routes, over_tls(folder.make("one")));
  EXPECT_FALSE(TlsClient(edge.port(), {TLS1_VERSION}).connected());
  EXPECT_FALSE(TlsClient(edge.port(), {TLS1_1_VERSION}).connected());
  EXPECT_FALSE(TlsClient(edge.port(), {0, {"\x02h2", 3}}).connected());
  TlsClient browser(edge.port(), {0, {"\x02h2\x08http/1.1", 12}});
  EXPECT_EQ(browser.protocol(), "http/1.1");
  TlsClient silent(edge.port());
  EXPECT_EQ(silent.protocol(), "");
  EXPECT_TRUE(silent.send(kHello));
  EXPECT_EQ(body_of(silent), "hello");
}

TEST(EdgeTls, MovesManyMegabytesBothWays) {
  const CertificateFolder folder;
  RunningEdge edge(routes, over_tls(folder.make("one")));
  const std::string body = noise(20'000'000);
  for (const std::size_t window : {0u, 4096u}) {  // the second reads slowly enough to block our writes
    TlsClient client(edge.port(), {0, {}, window});
    auto sender = std::async(std::launch::async, [&] {
      return client.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: " +
                         std::to_string(body.size()) + "\r\n\r\n" + body);
    });
    ASSERT_TRUE(sender.get());
    EXPECT_TRUE(body_of(client) == body) << "window " << window;
  }
}

TEST(EdgeTls, CarriesWebSockets) {
  const CertificateFolder folder;
  RunningEdge edge(routes, over_tls(folder.make("one")));
  TlsClient client(edge.port());
  ASSERT_TRUE(client.send(upgrade_request("Origin: https://localhost\r\n")));
  EXPECT_NE(client.read_until("\r\n\r\n").find("101"), std::string::npos);
  const std::string message = noise(300'000);
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(client.send(masked_frame(2, message)));
    const std::string header = client.read(10);
    EXPECT_TRUE(client.read(message.size()) == message);
  }
  ASSERT_TRUE(client.send(masked_frame(8, "\x03\xE8")));
  EXPECT_EQ(client.read(4), std::string("\x88\x02\x03\xE8", 4));
  EXPECT_TRUE(client.at_end());
}

// A page that came without encryption may have been changed on the way: it is no page of ours.
TEST(EdgeTls, TakesOnlyItsOwnHttpsPagesAndMarksTheCookie) {
  const CertificateFolder folder;
  EdgeConfig config = over_tls(folder.make("one"));
  config.listen = {"https://0.0.0.0:0"};
  config.access_token = "secret-token";
  RunningEdge edge(routes, config);
  TlsClient page(edge.port());
  page.send("GET /?token=secret-token HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_NE(page.read_until("\r\n\r\n").find("SameSite=Strict; Secure\r\n"), std::string::npos);
  TlsClient forged(edge.port());
  forged.send(upgrade_request("Origin: http://localhost\r\nAuthorization: Bearer secret-token\r\n"));
  EXPECT_NE(forged.read_until("\r\n\r\n").find("403"), std::string::npos);
}

TEST(EdgeTls, TellsAPlainClientWhatThePortSpeaks) {
  const CertificateFolder folder;
  RunningEdge edge(routes, over_tls(folder.make("one")));
  const auto answer = fetch(edge.port(), "DELETE", "/hello");
  EXPECT_EQ(answer.status, 400);
  EXPECT_NE(answer.body.find("https://"), std::string::npos);
  EXPECT_EQ(answer.headers.at("connection"), "close");
}

TEST(EdgeTls, EndsGarbageAndSilenceInTime) {
  const CertificateFolder folder;
  EdgeConfig config = over_tls(folder.make("one"));
  config.limits.header_timeout = milliseconds(150);
  RunningEdge edge(routes, config);
  Client garbage(edge.port());
  garbage.try_send(std::string("\x16\x03\x01\x40\x00", 5) + noise(5000));
  garbage.read_until("\n\n\n\n");  // an alert, then the end
  EXPECT_TRUE(garbage.at_end());
  Client silent(edge.port());
  EXPECT_TRUE(silent.at_end());
  Client half(edge.port());
  half.send(std::string_view("\x16\x03\x01\x02\x00\x01", 6));
  EXPECT_TRUE(half.at_end());
  TlsClient client(edge.port());  // past the handshake there is more time
  std::this_thread::yield();
  EXPECT_TRUE(client.connected());
  EXPECT_TRUE(client.send(kHello));
  EXPECT_EQ(body_of(client), "hello");
}

TEST(EdgeTls, NeverRenegotiates) {
  const CertificateFolder folder;
  RunningEdge edge(routes, over_tls(folder.make("one")));
  TlsClient client(edge.port(), {TLS1_2_VERSION});
  ASSERT_TRUE(client.send(kHello));
  EXPECT_EQ(body_of(client), "hello");
  EXPECT_FALSE(client.renegotiate());
}

TEST(EdgeTls, FollowsKeyUpdates) {
  const CertificateFolder folder;
  RunningEdge edge(routes, over_tls(folder.make("one")));
  TlsClient client(edge.port(), {TLS1_3_VERSION});
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(SSL_key_update(client.raw(), SSL_KEY_UPDATE_REQUESTED), 1);
    ASSERT_TRUE(client.send(kHello));
    EXPECT_EQ(body_of(client), "hello");
  }
}

TEST(EdgeTls, SurvivesEveryCutOfAConversation) {
  const CertificateFolder folder;
  RunningEdge edge(routes, over_tls(folder.make("one")));
  for (int i = 0; i < 60; ++i) {
    TlsClient client(edge.port());
    ASSERT_TRUE(client.connected());
    client.send(kHello.substr(0, static_cast<std::size_t>(i) % kHello.size()));
    if (i % 3 == 0) ::shutdown(client.fd(), SHUT_WR);
    if (i % 3 == 1) SSL_shutdown(client.raw());
  }
  TlsClient last(edge.port());
  EXPECT_TRUE(last.send(kHello));
  EXPECT_EQ(body_of(last), "hello");
}

TEST(EdgeTls, ReloadsTheCertificateUnderLiveConnections) {
  const CertificateFolder folder;
  const TlsFiles first = folder.make("one");
  RunningEdge edge(routes, over_tls(first));
  TlsClient before(edge.port());
  const auto reload = [&edge] {
    std::string problem;
    edge.run([&] {
      const auto reloaded = edge.server().reload_tls();
      if (!reloaded) problem = reloaded.error().message;
    });
    return problem;
  };
  std::atomic<bool> enough{false};
  std::atomic<int> served{0};
  std::thread load([&] {
    while (!enough) {
      TlsClient client(edge.port());
      if (client.send(kHello) && body_of(client) == "hello") ++served;
    }
  });
  const std::string old = before.certificate();
  std::string seen = old;
  for (int i = 0; i < 5; ++i) {
    const TlsFiles next = folder.make("next");
    std::filesystem::rename(next.certificate, first.certificate);
    std::filesystem::rename(next.key, first.key);
    EXPECT_EQ(reload(), "");
    TlsClient after(edge.port());
    EXPECT_NE(after.certificate(), seen);
    seen = after.certificate();
    EXPECT_TRUE(before.send(kHello));
    EXPECT_EQ(body_of(before), "hello");
  }
  std::ofstream(first.key) << "-----BEGIN PRIVATE KEY-----\nbroken\n";
  const std::string problem = reload();
  EXPECT_NE(problem.find(first.key), std::string::npos);
  EXPECT_EQ(problem.find("broken"), std::string::npos) << "nothing of the key is told";
  EXPECT_EQ(TlsClient(edge.port()).certificate(), seen);
  enough = true;
  load.join();
  EXPECT_GT(served, 0);
}

TEST(EdgeTls, NamesWhatIsWrongWithTheFiles) {
  const CertificateFolder folder;
  const TlsFiles one = folder.make("one");
  const TlsFiles other = folder.make("other");
  const auto complaint = [](const TlsFiles& files) {
    const auto loaded = TlsContext::load(files);
    return loaded ? std::string() : loaded.error().message;
  };
  EXPECT_EQ(complaint(one), "");
  EXPECT_NE(complaint({}).find("--tls-cert"), std::string::npos);
  EXPECT_NE(complaint({one.certificate, "/nonexistent"}).find("No such file"), std::string::npos);
  EXPECT_NE(complaint({one.certificate, other.key}).find("mismatch"), std::string::npos);
  EXPECT_NE(complaint({one.key, one.key}).find("--tls-cert"), std::string::npos);
  EXPECT_NE(complaint({folder.path(), one.key}).find("is not a file"), std::string::npos);
  chmod(one.key.c_str(), S_IRUSR | S_IROTH);
  EXPECT_NE(complaint(one).find("other users"), std::string::npos);
  const auto loaded = TlsContext::load(other);
  ASSERT_TRUE(loaded);
  EXPECT_GE((*loaded)->days_left(), 29);
  EXPECT_LE((*loaded)->days_left(), 30);
}

TEST(EdgeTls, ServesPlainAndEncryptedPortsSideBySide) {
  const CertificateFolder folder;
  EdgeConfig config = over_tls(folder.make("one"));
  config.listen = {"127.0.0.1:0", "https://127.0.0.1:0"};
  RunningEdge edge(routes, config);
  EXPECT_EQ(fetch(edge.ports()[0], "GET", "/hello").body, "hello");
  TlsClient client(edge.ports()[1]);
  EXPECT_TRUE(client.send(kHello));
  EXPECT_EQ(body_of(client), "hello");
}

TEST(EdgeTls, DoesNotListenWithoutACertificate) {
  EdgeConfig none;
  none.listen = {"https://127.0.0.1:0"};
  EXPECT_THROW(RunningEdge(routes, none), std::runtime_error);
}

// What the browser behind it sees is an answer, not a broken connection.
TEST(EdgeTls, TellsThoseBeyondALimitWhy) {
  const CertificateFolder folder;
  EdgeConfig config = over_tls(folder.make("one"));
  config.limits.connections = 1;
  RunningEdge edge(routes, config);
  TlsClient first(edge.port());
  ASSERT_TRUE(first.send(kHello));
  EXPECT_EQ(body_of(first), "hello");
  TlsClient second(edge.port());
  ASSERT_TRUE(second.connected());
  ASSERT_TRUE(second.send(kHello));
  const std::string head = second.read_until("\r\n\r\n");
  EXPECT_TRUE(head.starts_with("HTTP/1.1 503 ")) << head;
  EXPECT_NE(head.find("Retry-After: 5"), std::string::npos);
  EXPECT_NE(second.read_until("}}").find("as many connections as it allows"), std::string::npos);
  EXPECT_TRUE(second.at_end());
  // It took no place.
  EXPECT_EQ(edge.server().connections(), 1u);
  ASSERT_TRUE(first.send(kHello));
  EXPECT_EQ(body_of(first), "hello");
}

TEST(EdgeTls, ListensToFewBeyondALimitAtOnce) {
  const CertificateFolder folder;
  EdgeConfig config = over_tls(folder.make("one"));
  config.limits.connections = 1;
  RunningEdge edge(routes, config);
  TlsClient first(edge.port());
  ASSERT_TRUE(first.send(kHello));
  EXPECT_EQ(body_of(first), "hello");
  // They say nothing and hold what may be held; whoever comes then is cut.
  std::vector<std::unique_ptr<Client>> silent;
  for (int i = 0; i < 64; ++i) silent.push_back(std::make_unique<Client>(edge.port()));
  Client another(edge.port());
  EXPECT_TRUE(another.at_end());
}

}  // namespace
}  // namespace answermill::frontend::test
