// permessage-deflate: what is agreed on, groups 12 and 13 of the Autobahn suite in small, and that a small
// frame cannot become a large one.
#include "frontend/server/edge/websocket_compression.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <atomic>
#include <fstream>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/unit/edge/edge_fixture.h"

namespace answermill::frontend::test {
namespace {

constexpr int kText = 1;
constexpr int kBinary = 2;
constexpr std::string_view kOffer = "Sec-WebSocket-Extensions: permessage-deflate\r\n";

// A peer's own: any window, any split, independent of the code under test.
std::string deflated(std::string_view message, int bits = 15) {
  z_stream z{};
  deflateInit2(&z, 9, Z_DEFLATED, -bits, 9, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&z, message.size()) + 64, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(message.data()));
  z.avail_in = static_cast<uInt>(message.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  deflate(&z, Z_SYNC_FLUSH);
  out.resize(out.size() - z.avail_out - 4);
  deflateEnd(&z);
  return out;
}

std::string inflated(std::string_view payload, int bits = 15) {
  z_stream z{};
  inflateInit2(&z, -bits);
  const std::string whole = std::string(payload) + std::string("\x00\x00\xff\xff", 4);
  std::string out(4 * 1024 * 1024, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(whole.data()));
  z.avail_in = static_cast<uInt>(whole.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  const int outcome = inflate(&z, Z_SYNC_FLUSH);
  out.resize(outcome == Z_OK ? out.size() - z.avail_out : 0);
  inflateEnd(&z);
  return out;
}

std::string compressed_frame(int opcode, std::string_view payload, bool final = true) {
  std::string frame = masked_frame(opcode, payload, final);
  frame[0] = static_cast<char>(frame[0] | 0x40);
  return frame;
}

// A frame as the fixture reads it has lost its reserved bits: they are read here.
struct WireFrame {
  bool compressed = false;
  Frame frame;
};

WireFrame read_frame(Client& client) {
  const std::string head = client.read_exactly(2);
  if (head.size() < 2) return {};
  std::size_t length = static_cast<unsigned char>(head[1]) & 0x7F;
  if (length >= 126) {
    const std::string more = client.read_exactly(length == 126 ? 2 : 8);
    length = 0;
    for (const unsigned char byte : more) length = length * 256 + byte;
  }
  return {(head[0] & 0x40) != 0, {head[0] & 0x0F, (head[0] & 0x80) != 0, client.read_exactly(length)}};
}

EdgeConfig compressing() {
  EdgeConfig config;
  config.websocket_compression = true;
  return config;
}

Routes echo_routes() {
  return [](Router& router) { router.websocket("/ws", {"answermill.v1"}, echo()); };
}

std::string offer(std::string_view parameters) {
  return "Sec-WebSocket-Extensions: permessage-deflate" + std::string(parameters) + "\r\n";
}

std::string sentence(std::size_t bytes) {
  std::string out;
  for (std::size_t i = 0; out.size() < bytes; ++i)
    out += "{\"type\":\"token\",\"seq\":" + std::to_string(i) + ",\"text\":\"gr\xC3\xBC\xC3\x9F\"}";
  out.resize(bytes, ' ');
  while (!out.empty() && (static_cast<unsigned char>(out.back()) & 0x80) != 0) out.back() = ' ';
  return out;
}

TEST(WebSocketCompression, AgreesOnTheFirstOfferThatCanBeMet) {
  const auto answer = [](std::string_view offers) {
    const auto terms = agree_on_compression(offers);
    return terms ? describe_terms(*terms) : std::string();
  };
  const std::string plain = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
  EXPECT_EQ(answer("permessage-deflate"), plain);
  EXPECT_EQ(answer("permessage-deflate; client_max_window_bits"), plain);
  EXPECT_EQ(answer("permessage-deflate;client_max_window_bits=10;server_no_context_takeover"), plain);
  EXPECT_EQ(answer("permessage-deflate; server_max_window_bits=12"), plain + "; server_max_window_bits=12");
  EXPECT_EQ(answer("permessage-deflate; server_max_window_bits=\"9\""), plain + "; server_max_window_bits=9");
  EXPECT_EQ(answer("x-webkit, permessage-deflate; server_max_window_bits=8, permessage-deflate"), plain);
  for (const auto* refused :
       {"", "x-webkit-deflate-frame", "permessage-deflate; unknown",
        "permessage-deflate; server_max_window_bits", "permessage-deflate; server_max_window_bits=8",
        "permessage-deflate; server_max_window_bits=16", "permessage-deflate; server_max_window_bits=09",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_max_window_bits; client_max_window_bits", ";;,,=,;"}) {
    EXPECT_EQ(answer(refused), "") << refused;
  }
}

TEST(WebSocketCompression, IsOffUnlessItIsWanted) {
  RunningEdge edge(echo_routes());
  WsClient client(edge.port(), "/ws", kOffer);
  EXPECT_EQ(client.handshake().headers.count("sec-websocket-extensions"), 0u);
  client.send_raw(compressed_frame(kText, deflated("hello")));
  EXPECT_EQ(client.read().close_code(), 1002);
}

TEST(WebSocketCompression, LeavesClientsAloneThatDoNotOfferIt) {
  RunningEdge edge(echo_routes(), compressing());
  WsClient client(edge.port(), "/ws");
  EXPECT_EQ(client.handshake().headers.count("sec-websocket-extensions"), 0u);
  const std::string message = sentence(5000);
  client.send(kText, message);
  const WireFrame back = read_frame(client.client());
  EXPECT_FALSE(back.compressed);
  EXPECT_EQ(back.frame.payload, message);
}

TEST(WebSocketCompression, EchoesUnderAllTerms) {
  RunningEdge edge(echo_routes(), compressing());
  for (const auto& [parameters, bits] : std::vector<std::pair<std::string, int>>{
           {"", 15},
           {"; client_no_context_takeover", 15},
           {"; server_max_window_bits=9", 9},
           {"; client_max_window_bits=9; server_max_window_bits=15", 15},
           {"; server_no_context_takeover; server_max_window_bits=9", 9}}) {
    WsClient client(edge.port(), "/ws", offer(parameters) + "Sec-WebSocket-Protocol: answermill.v1\r\n");
    ASSERT_EQ(client.handshake().status, 101);
    EXPECT_EQ(client.handshake().headers.at("sec-websocket-protocol"), "answermill.v1");
    for (const std::size_t size : {0u, 16u, 64u, 256u, 1024u, 4096u, 32768u, 131072u, 1048576u}) {
      const std::string message = sentence(size);
      for (const int opcode : {kText, kBinary}) {
        client.send_raw(compressed_frame(opcode, deflated(message, 9)));
        const WireFrame back = read_frame(client.client());
        EXPECT_EQ(back.frame.opcode, opcode);
        EXPECT_EQ(back.compressed, size >= 256) << size;
        if (size >= 1024) {
          EXPECT_LT(back.frame.payload.size(), size / 3);
        }
        EXPECT_TRUE((back.compressed ? inflated(back.frame.payload, bits) : back.frame.payload) == message)
            << parameters << ", " << size;
      }
    }
    client.send(kText, "plain messages may come in between");
    EXPECT_EQ(read_frame(client.client()).frame.payload, "plain messages may come in between");
  }
}

TEST(WebSocketCompression, JoinsFragmentsAtAnyByte) {
  RunningEdge edge(echo_routes(), compressing());
  WsClient client(edge.port(), "/ws", kOffer);
  const std::string message = sentence(3000);
  const std::string payload = deflated(message);
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 100; ++round) {
    std::string bytes;
    for (std::size_t at = 0; at < payload.size();) {
      const std::size_t part = std::min<std::size_t>(payload.size() - at, random() % 200);
      const bool last = at + part == payload.size() && random() % 2 == 0;
      bytes += at == 0 && bytes.empty() ? compressed_frame(kText, payload.substr(0, part), last)
                                        : masked_frame(0, payload.substr(at, part), last);
      at += part;
      if (at == payload.size() && !last) bytes += masked_frame(0, "");
      if (random() % 5 == 0 && !last && at < payload.size()) bytes += masked_frame(9, "");
    }
    client.send_raw(bytes);
    WireFrame back = read_frame(client.client());
    while (back.frame.opcode == 10) back = read_frame(client.client());
    ASSERT_EQ(inflated(back.frame.payload), message);
  }
}

TEST(WebSocketCompression, RefusesWhatIsNotAllowed) {
  RunningEdge edge(echo_routes(), compressing());
  const std::string message = deflated(sentence(500));
  const std::string half = message.substr(0, message.size() / 2);
  std::string broken = message;
  broken[0] = static_cast<char>(0xFF);
  std::string second_marked = masked_frame(0, message.substr(half.size()));
  second_marked[0] = static_cast<char>(second_marked[0] | 0x40);
  for (const auto& [bytes, code] : std::vector<std::pair<std::string, int>>{
           {compressed_frame(9, "ping"), 1002},
           {compressed_frame(kText, half, false) + second_marked, 1002},
           {compressed_frame(kText, broken), 1007},
           {compressed_frame(kText, deflated("\xFF\xFE not UTF-8")), 1007},
           {compressed_frame(kText, deflated("cut \xC3")), 1007},
           {compressed_frame(kText, deflated(sentence(1'048'577))), 1009}}) {
    WsClient client(edge.port(), "/ws", kOffer);
    client.try_send_raw(bytes);
    EXPECT_EQ(client.read().close_code(), code);
  }
}

std::size_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::size_t size = 0;
  std::size_t resident = 0;
  file >> size >> resident;
  return resident * 4096;
}

TEST(WebSocketCompression, ABombEndsAtTheLimitAndCostsNoMemory) {
  std::atomic<int> messages{0};
  RunningEdge edge(
      [&](Router& router) {
        ScriptedSession session;
        session.text = session.binary = [&](WebSocket&, std::string_view) { ++messages; };
        router.websocket("/ws", {}, scripted(session));
      },
      compressing());
  std::string zeros;
  zeros.resize(60'000'000, '0');
  const std::string bomb = deflated(zeros);
  ASSERT_LT(bomb.size(), 70'000u);
  const std::size_t before = resident_bytes();
  for (int i = 0; i < 20; ++i) {
    WsClient client(edge.port(), "/ws", kOffer);
    client.try_send_raw(compressed_frame(kBinary, bomb));
    EXPECT_EQ(client.read().close_code(), 1009);
    WsClient pieces(edge.port(), "/ws", kOffer);
    pieces.try_send_raw(compressed_frame(kBinary, bomb.substr(0, 100), false));
    for (std::size_t at = 100; at < bomb.size(); at += 1000) {
      if (!pieces.try_send_raw(masked_frame(0, bomb.substr(at, 1000), false))) break;
    }
    EXPECT_EQ(pieces.read().close_code(), 1009);
  }
  EXPECT_EQ(messages, 0);
  EXPECT_LT(resident_bytes(), before + 16 * 1024 * 1024);
}

TEST(WebSocketCompression, CompressesTheSameMessageOnceForAll) {
  MessageDeflater deflater;
  const std::string message = sentence(20'000);
  const std::string first(deflater.deflate(message, {}));
  EXPECT_EQ(inflated(first), message);
  const char* place = deflater.deflate(message, {}).data();
  EXPECT_EQ(deflater.deflate(message, {}).data(), place);
  const std::string narrow(deflater.deflate(message, {9, true}));
  EXPECT_EQ(inflated(narrow, 9), message);
  EXPECT_EQ(deflater.deflate(message, {}), first);
  std::mt19937 random(1);
  std::string noise(1000, '\0');
  for (auto& byte : noise) byte = static_cast<char>(random());
  EXPECT_TRUE(deflater.deflate(noise, {}).empty()) << "what does not shrink goes out as it is";
  EXPECT_TRUE(deflater.deflate("short", {}).empty());
}

}  // namespace
}  // namespace answermill::frontend::test
