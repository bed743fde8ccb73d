// Any bytes behind a WebSocket handshake, with compression or without, cut anywhere: the frames sent back do
// not depend on the cuts, they are whole and unmasked, and the connection is let go of.
#include "shared/log/log.h"
#include "tests/fuzz/edge_world.h"
#include "tests/fuzz/input.h"

using namespace answermill;

namespace {

constexpr std::string_view kHandshake =
    "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Protocol: v1\r\n";
constexpr std::string_view kOffer =
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";

std::string frames_for(std::string_view bytes, std::size_t step, bool compressed) {
  auto& world = fuzz::edge_world();
  world.connect();
  world.send(std::string(kHandshake).append(compressed ? kOffer : "").append("\r\n"));
  const std::string greeting = world.output();
  fuzz::insist(greeting.starts_with("HTTP/1.1 101 ") && greeting.ends_with("\r\n\r\n"), "the handshake");
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t piece = step == 0 ? bytes.size() : 1 + (at * 7 + step) % step;
    world.send(bytes.substr(at, piece));
    at += piece;
  }
  std::string frames = world.output().substr(greeting.size());
  world.disconnect();
  return frames;
}

struct Said {
  std::string_view before_close;
  bool well_formed = true;  // whole frames of a server, one after the other
  bool closes = false;
};

Said read(std::string_view bytes, bool compressed) {
  constexpr int kClose = 8;
  const int unagreed = compressed ? 0x30 : 0x70;
  Said said{bytes};
  for (std::size_t at = 0; at < bytes.size();) {
    const std::string_view rest = bytes.substr(at);
    if (rest.size() < 2 || (rest[0] & unagreed) != 0 || (rest[1] & 0x80) != 0) return {bytes, false};
    std::size_t length = static_cast<unsigned char>(rest[1]);
    const std::size_t head = length == 127 ? 10 : length == 126 ? 4 : 2;
    if (rest.size() < head) return {bytes, false};
    if (head > 2) length = 0;
    for (std::size_t i = 2; i < head; ++i) length = length * 256 + static_cast<unsigned char>(rest[i]);
    if (rest.size() < head + length) return {bytes, false};
    if (!said.closes && (rest[0] & 0x0F) == kClose) said = {bytes.substr(0, at), true, true};
    at += head + length;
  }
  return said;
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  log::init("fuzz", "error");
  return 0;
}

// The first byte chooses the cuts, and its highest bit compression.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const bool compressed = data[0] >= 0x80;
  const std::string whole = frames_for(bytes, 0, compressed);
  const std::string cut = frames_for(bytes, 1 + data[0] % 32U, compressed);
  const Said one = read(whole, compressed);
  const Said other = read(cut, compressed);
  fuzz::insist(one.well_formed && other.well_formed, "frames are whole, unmasked and without unagreed bits");
  // Of a message that is neither deflated nor UTF-8, which fault is met first does depend on the cuts.
  if (compressed) {
    fuzz::insist(one.before_close == other.before_close && one.closes == other.closes,
                 "what is said does not depend on the cuts");
  } else {
    fuzz::insist(whole == cut, "the frames do not depend on the cuts");
  }
  return 0;
}
