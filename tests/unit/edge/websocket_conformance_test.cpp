// The cases of the Autobahn test suite (https://github.com/crossbario/autobahn-testsuite, groups 1 to 7, 9
// and 10) as a table: what is sent, what must come back, and how the connection ends. Strict: where the suite
// would also accept less, only the first of its outcomes passes here.
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/unit/edge/edge_fixture.h"

namespace answermill::frontend::test {
namespace {

constexpr int kText = 1;
constexpr int kBinary = 2;
constexpr int kClose = 8;
constexpr int kPing = 9;
constexpr int kPong = 10;
constexpr int kGoodbye = 1000;
constexpr std::size_t kMessageLimit = 16 * 1024 * 1024;

using Pieces = std::vector<std::string>;

struct Case {
  std::string name;
  Pieces sent;              // each by a system call of its own
  std::vector<Frame> back;  // messages and pongs
  int close = kGoodbye;     // by the server; when it is this, the client says goodbye first
};

Pieces chopped(std::string_view bytes, std::size_t size) {
  Pieces out;
  for (std::size_t at = 0; at < bytes.size(); at += size) out.emplace_back(bytes.substr(at, size));
  return out;
}

std::string joined(const Pieces& pieces) {
  std::string out;
  for (const auto& piece : pieces) out += piece;
  return out;
}

std::string reserved(std::string frame, int bits) {
  frame[0] = static_cast<char>(frame[0] | (bits << 4));
  return frame;
}

std::string close_of(int code, std::string_view reason = {}) {
  std::string payload{static_cast<char>(code >> 8), static_cast<char>(code & 0xFF)};
  return masked_frame(kClose, payload.append(reason));
}

// One frame for each `size` bytes of the message.
Pieces fragments(int opcode, std::string_view message, std::size_t size) {
  Pieces out;
  for (std::size_t at = 0; at < message.size(); at += size) {
    const bool last = at + size >= message.size();
    out.push_back(masked_frame(at == 0 ? opcode : 0, message.substr(at, size), last));
  }
  return out;
}

RunningEdge& edge() {
  static EdgeConfig config = [] {
    EdgeConfig values;
    values.limits.websocket_message_bytes = kMessageLimit;
    return values;
  }();
  static RunningEdge running([](Router& router) { router.websocket("/ws", {}, echo()); }, config);
  return running;
}

void run(const Case& one) {
  SCOPED_TRACE(one.name);
  WsClient client(edge().port(), "/ws");
  ASSERT_EQ(client.handshake().status, 101);
  for (const auto& piece : one.sent) {
    if (!client.try_send_raw(piece)) break;  // it may have been refused already
  }
  if (one.close == kGoodbye) client.send_raw(close_of(kGoodbye));
  for (const auto& expected : one.back) {
    const Frame frame = client.read();
    ASSERT_EQ(frame.opcode, expected.opcode);
    ASSERT_TRUE(frame.payload == expected.payload) << frame.payload.size() << " bytes";
  }
  const Frame last = client.read();
  ASSERT_EQ(last.opcode, kClose);
  EXPECT_EQ(last.close_code(), one.close);
  if (one.close != kGoodbye) client.try_send_raw(close_of(one.close));
  client.client().half_close();
  EXPECT_TRUE(client.client().at_end());
}

void run_all(const std::vector<Case>& cases) {
  for (const auto& one : cases) run(one);
}

TEST(WebSocketConformance, Framing) {
  std::vector<Case> cases;
  for (const int opcode : {kText, kBinary}) {
    for (const std::size_t size : {0u, 125u, 126u, 127u, 128u, 65535u, 65536u}) {
      const std::string message(size, opcode == kText ? '*' : '\xFE');
      const std::string frame = masked_frame(opcode, message);
      const std::string name = "1." + std::to_string(opcode) + " of " + std::to_string(size);
      cases.push_back({name, {frame}, {{opcode, true, message}}});
      cases.push_back({name + ", chopped", chopped(frame, 997), {{opcode, true, message}}});
    }
  }
  run_all(cases);
}

TEST(WebSocketConformance, PingsAndPongs) {
  const std::string binary("\x00\xFF\xFE\xFD\xFC\xFB\x00\xFF", 8);
  const std::string longest(125, '\xFE');
  std::string ten;
  std::vector<Frame> ten_back;
  for (int i = 0; i < 10; ++i) {
    const std::string payload = "payload-" + std::to_string(i);
    ten += masked_frame(kPing, payload);
    ten_back.push_back({kPong, true, payload});
  }
  run_all({
      {"2.1", {masked_frame(kPing, "")}, {{kPong, true, ""}}},
      {"2.2", {masked_frame(kPing, "Hello, world!")}, {{kPong, true, "Hello, world!"}}},
      {"2.3", {masked_frame(kPing, binary)}, {{kPong, true, binary}}},
      {"2.4", {masked_frame(kPing, longest)}, {{kPong, true, longest}}},
      {"2.5", {masked_frame(kPing, longest + "x")}, {}, 1002},
      {"2.6", chopped(masked_frame(kPing, longest), 1), {{kPong, true, longest}}},
      {"2.7", {masked_frame(kPong, "")}, {}},
      {"2.8", {masked_frame(kPong, "unasked")}, {}},
      {"2.9", {masked_frame(kPong, "unasked"), masked_frame(kPing, "asked")}, {{kPong, true, "asked"}}},
      {"2.10", {ten}, ten_back},
      {"2.11", chopped(ten, 1), ten_back},
  });
}

TEST(WebSocketConformance, ReservedBits) {
  const std::string text = masked_frame(kText, "Hello, world!");
  const Frame echoed{kText, true, "Hello, world!"};
  const std::string ping = masked_frame(kPing, "");
  run_all({
      {"3.1", {reserved(text, 1)}, {}, 1002},
      {"3.2", {text + reserved(text, 2) + ping}, {echoed}, 1002},
      {"3.3", {text, reserved(text, 3), ping}, {echoed}, 1002},
      {"3.4", chopped(text + reserved(text, 4) + ping, 1), {echoed}, 1002},
      {"3.5", {reserved(masked_frame(kBinary, std::string(8, '\xFF')), 5)}, {}, 1002},
      {"3.6", {reserved(ping, 6)}, {}, 1002},
      {"3.7", {reserved(close_of(kGoodbye), 7)}, {}, 1002},
  });
}

TEST(WebSocketConformance, ReservedOpcodes) {
  const std::string text = masked_frame(kText, "Hello, world!");
  const Frame echoed{kText, true, "Hello, world!"};
  for (const int opcode : {3, 4, 5, 6, 7, 11, 12, 13, 14, 15}) {
    const std::string number = "4: " + std::to_string(opcode);
    run({number, {masked_frame(opcode, "")}, {}, 1002});
    run({number + " with a payload", {masked_frame(opcode, "reserved opcode payload")}, {}, 1002});
    run({number + " after a text", {text + masked_frame(opcode, "") + text}, {echoed}, 1002});
    run({number + " chopped", chopped(text + masked_frame(opcode, "x"), 1), {echoed}, 1002});
  }
}

TEST(WebSocketConformance, Fragments) {
  const auto text = [](std::string_view part, bool last = false) { return masked_frame(kText, part, last); };
  const auto more = [](std::string_view part, bool last = false) { return masked_frame(0, part, last); };
  const std::string ping = masked_frame(kPing, "ping");
  const Frame pong{kPong, true, "ping"};
  const Frame both{kText, true, "fragment1fragment2"};
  const Frame five{kText, true, "fragment1fragment2fragment3fragment4fragment5"};
  const Pieces two{text("fragment1"), more("fragment2", true)};
  const Pieces between{text("fragment1"), ping, more("fragment2", true)};
  const Pieces long_one{text("fragment1"),      more("fragment2"), ping,
                        more("fragment3"),      more("fragment4"), ping,
                        more("fragment5", true)};
  const Pieces orphan{more("non-continuation payload", true), text("Hello, world!", true)};
  const Pieces open_orphan{more("non-continuation payload"), text("Hello, world!", true)};
  run_all({
      {"5.1", {masked_frame(kPing, "fragment1", false), more("fragment2", true)}, {}, 1002},
      {"5.2", {masked_frame(kPong, "fragment1", false), more("fragment2", true)}, {}, 1002},
      {"5.3", {joined(two)}, {both}},
      {"5.4", two, {both}},
      {"5.5", chopped(joined(two), 1), {both}},
      {"5.6", {joined(between)}, {pong, both}},
      {"5.7", between, {pong, both}},
      {"5.8", chopped(joined(between), 1), {pong, both}},
      {"5.9", {joined(orphan)}, {}, 1002},
      {"5.10", orphan, {}, 1002},
      {"5.11", chopped(joined(orphan), 1), {}, 1002},
      {"5.12", {joined(open_orphan)}, {}, 1002},
      {"5.13", open_orphan, {}, 1002},
      {"5.14", chopped(joined(open_orphan), 1), {}, 1002},
      {"5.15", {joined(two) + joined(open_orphan)}, {both}, 1002},
      {"5.16", {more("fragment1"), text("fragment2"), more("fragment3", true)}, {}, 1002},
      {"5.17", {more("fragment1", true), text("fragment2"), more("fragment3", true)}, {}, 1002},
      {"5.18", {text("fragment1"), text("fragment2", true)}, {}, 1002},
      {"5.19", {joined(long_one)}, {pong, pong, five}},
      {"5.20", long_one, {pong, pong, five}},
  });
}

// Markus Kuhn's collection, as far as it is in the suite, and what RFC 3629 forbids.
TEST(WebSocketConformance, ValidUtf8) {
  const Pieces valid = {
      "",
      "Hello-\xC2\xB5@\xC3\x9F\xC3\xB6\xC3\xA4\xC3\xBC\xC3\xA0\xC3\xA1-UTF-8!!",
      "\xCE\xBA\xE1\xBD\xB9\xCF\x83\xCE\xBC\xCE\xB5",
      std::string(1, '\0'),
      "\xC2\x80",
      "\xE0\xA0\x80",
      "\xF0\x90\x80\x80",
      "\x7F",
      "\xDF\xBF",
      "\xEF\xBF\xBF",
      "\xF4\x8F\xBF\xBF",
      "\xED\x9F\xBF",
      "\xEE\x80\x80",
      "\xEF\xBF\xBD",
      "\xEF\xBF\xBE",
      "\xF0\x9F\xBF\xBE",
      "\xEF\xB7\x90",
      "Hello-\xF0\x9D\x92\xB3 and on",
  };
  for (const auto& text : valid) {
    const std::vector<Frame> back{{kText, true, text}};
    run({"6: whole", {masked_frame(kText, text)}, back});
    run({"6: in bytes", chopped(masked_frame(kText, text), 1), back});
    if (!text.empty()) run({"6: in frames of a byte", fragments(kText, text, 1), back});
  }
  run({"6.1.2",
       {masked_frame(kText, "", false), masked_frame(0, "", false), masked_frame(0, "")},
       {{kText, true, ""}}});
  run({"6.1.3",
       {masked_frame(kText, "", false), masked_frame(0, "middle", false), masked_frame(0, "")},
       {{kText, true, "middle"}}});
}

TEST(WebSocketConformance, InvalidUtf8) {
  const Pieces invalid = {
      std::string("\xCE\xBA\xE1\xBD\xB9\xCF\x83\xCE\xBC\xCE\xB5\xED\xA0\x80") + "edited",
      "\x80",
      "\xBF",
      "\x80\xBF",
      "\x80\xBF\x80\xBF\x80\xBF",
      "\xCE",
      "\xCE\xBA\xE1",
      "\xCE\xBA\xE1\xBD",
      "\xC0",
      "\xE0\xA0",
      "\xF0\x90\x80",
      "\xDF",
      "\xFE",
      "\xFF",
      "\xFE\xFE\xFF\xFF",
      "\xC0\xAF",
      "\xE0\x80\xAF",
      "\xF0\x80\x80\xAF",
      "\xF8\x80\x80\x80\xAF",
      "\xFC\x80\x80\x80\x80\xAF",
      "\xC1\xBF",
      "\xE0\x9F\xBF",
      "\xF0\x8F\xBF\xBF",
      "\xC0\x80",
      "\xE0\x80\x80",
      "\xF0\x80\x80\x80",
      "\xF4\x90\x80\x80",
      "\xF7\xBF\xBF\xBF",
      "\xF8\x88\x80\x80\x80",
      "\xFC\x84\x80\x80\x80\x80",
      "\xED\xA0\x80",
      "\xED\xAD\xBF",
      "\xED\xAE\x80",
      "\xED\xBF\xBF",
      "\xED\xA0\x80\xED\xB0\x80",
      "\xC0 \xC1 \xC2",
      "\xE0 \xE1",
      "\xF0 \xF1",
  };
  for (const auto& text : invalid) {
    run({"6: whole", {masked_frame(kText, text)}, {}, 1007});
    run({"6: in bytes", chopped(masked_frame(kText, text), 1), {}, 1007});
    run({"6: in frames of a byte", fragments(kText, text, 1), {}, 1007});
  }
}

// The refusal comes with the first byte that cannot be, not with the end of the message.
TEST(WebSocketConformance, InvalidUtf8FailsFast) {
  const std::string good = "\xCE\xBA\xE1\xBD\xB9\xCF\x83\xCE\xBC\xCE\xB5";
  const std::string frame = masked_frame(kText, good + "\xF4\x90\x80\x80" + "edited");
  run_all({
      {"6.4.1", {masked_frame(kText, good, false), masked_frame(0, "\xF4\x90\x80\x80", false)}, {}, 1007},
      {"6.4.2", {masked_frame(kText, good + "\xF4", false), masked_frame(0, "\x90", false)}, {}, 1007},
      {"6.4.3", {frame.substr(0, 6 + good.size()), frame.substr(6 + good.size(), 4)}, {}, 1007},
      {"6.4.4", {frame.substr(0, 7 + good.size()), frame.substr(7 + good.size(), 1)}, {}, 1007},
  });
}

TEST(WebSocketConformance, Closing) {
  const std::string text = masked_frame(kText, "Hello World!");
  const Frame echoed{kText, true, "Hello World!"};
  run_all({
      {"7.1.1", {text}, {echoed}},
      {"7.1.2", {close_of(kGoodbye), close_of(kGoodbye)}, {}},
      {"7.1.3", {close_of(kGoodbye), masked_frame(kPing, "late")}, {}},
      {"7.1.4", {close_of(kGoodbye), text}, {}},
      {"7.1.5", {masked_frame(kText, "fragment1", false), close_of(kGoodbye), masked_frame(0, "2")}, {}},
      {"7.1.6",
       {masked_frame(kText, std::string(262'144, 'b')) + text + close_of(kGoodbye)},
       {{kText, true, std::string(262'144, 'b')}, echoed}},
      {"7.3.1", {masked_frame(kClose, "")}, {}},
      {"7.3.2", {masked_frame(kClose, "a")}, {}, 1002},
      {"7.3.3", {close_of(kGoodbye)}, {}},
      {"7.3.4", {close_of(kGoodbye, "Hello World!")}, {}},
      {"7.3.5", {close_of(kGoodbye, std::string(123, '*'))}, {}},
      {"7.3.6", {close_of(kGoodbye, std::string(124, '*'))}, {}, 1002},
      {"7.5.1",
       {close_of(kGoodbye,
                 "\xCE\xBA\xED\xA0\x80"
                 "edited")},
       {},
       1002},
  });
  for (const int code :
       {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 3000, 3999, 4000, 4999})
    run({"7.7: " + std::to_string(code), {close_of(code)}, {}, code});
  for (const int code : {0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535})
    run({"7.9: " + std::to_string(code), {close_of(code)}, {}, 1002});
}

TEST(WebSocketConformance, LargeMessages) {
  constexpr std::size_t kMegabyte = 1024 * 1024;
  for (const int opcode : {kText, kBinary}) {
    const std::string name = opcode == kText ? "9.1" : "9.2";
    for (const std::size_t size : {kMegabyte / 16, kMegabyte / 4, kMegabyte, 4 * kMegabyte, kMessageLimit}) {
      const std::string message(size, '*');
      run({name, {masked_frame(opcode, message)}, {{opcode, true, message}}});
    }
    const std::string message(4 * kMegabyte, '*');
    for (const std::size_t size : {256u, 4096u, 65536u, 4u * 1024 * 1024}) {
      run({"9.3, 9.4", {joined(fragments(opcode, message, size))}, {{opcode, true, message}}});
    }
    const std::string chopped_message(kMegabyte, '*');
    for (const std::size_t size : {512u, 2048u}) {
      run({"9.5, 9.6",
           chopped(masked_frame(opcode, chopped_message), size),
           {{opcode, true, chopped_message}}});
    }
  }
  const std::string beyond(kMessageLimit + 1, '*');
  run({"too large", {masked_frame(kText, beyond)}, {}, 1009});
  run({"too large in fragments", {joined(fragments(kText, beyond, kMegabyte))}, {}, 1009});
}

TEST(WebSocketConformance, ManyMessagesOneAfterTheOther) {
  WsClient client(edge().port(), "/ws");
  for (const std::size_t size : {0u, 16u, 64u, 256u, 1024u, 4096u}) {
    const std::string message(size, '*');
    for (int i = 0; i < 200; ++i) {
      client.send(i % 2 == 0 ? kText : kBinary, message);
      ASSERT_EQ(client.read().payload, message) << "9.7, 9.8";
    }
  }
  const std::string message(65536, '*');
  client.send_raw(joined(fragments(kText, message, 1300)));
  EXPECT_TRUE(client.read().payload == message) << "10.1.1";
}

// Beyond the suite: what RFC 6455 asks of a server besides.
TEST(WebSocketConformance, LengthsAndMasks) {
  const std::string mask = "\x12\x34\x56\x78";
  const auto bytes = [](std::initializer_list<int> values) {
    std::string out;
    for (const int value : values) out.push_back(static_cast<char>(value));
    return out;
  };
  run_all({
      {"a length of 16 bits for 5", {bytes({0x81, 0xFE, 0, 5}) + mask + "hello"}, {}, 1002},
      {"a length of 64 bits for 5", {bytes({0x81, 0xFF, 0, 0, 0, 0, 0, 0, 0, 5}) + mask + "hello"}, {}, 1002},
      {"a length beyond 63 bits", {bytes({0x81, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0}) + mask}, {}, 1002},
      {"a length beyond memory",
       {bytes({0x81, 0xFF, 0x7F, 255, 255, 255, 255, 255, 255, 255}) + mask},
       {},
       1009},
      {"no mask", {bytes({0x81, 5}) + "hello"}, {}, 1002},
  });
}

}  // namespace
}  // namespace answermill::frontend::test
