// Any bytes behind a WebSocket handshake, cut anywhere: the frames sent back do not depend on the cuts, they
// are whole and unmasked, and the connection is let go of.
#include "shared/log/log.h"
#include "tests/fuzz/edge_world.h"
#include "tests/fuzz/input.h"

using namespace answermill;

namespace {

constexpr std::string_view kHandshake =
    "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Protocol: v1\r\n\r\n";

std::string frames_for(std::string_view bytes, std::size_t step) {
  auto& world = fuzz::edge_world();
  world.connect();
  world.send(kHandshake);
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

// Whole frames of a server, one after the other.
bool well_formed(std::string_view bytes) {
  while (!bytes.empty()) {
    if (bytes.size() < 2 || (bytes[0] & 0x70) != 0 || (bytes[1] & 0x80) != 0) return false;
    std::size_t length = static_cast<unsigned char>(bytes[1]);
    const std::size_t head = length == 127 ? 10 : length == 126 ? 4 : 2;
    if (bytes.size() < head) return false;
    if (head > 2) length = 0;
    for (std::size_t i = 2; i < head; ++i) length = length * 256 + static_cast<unsigned char>(bytes[i]);
    if (bytes.size() < head + length) return false;
    bytes.remove_prefix(head + length);
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  log::init("fuzz", "error");
  return 0;
}

// The first byte chooses the cuts.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string whole = frames_for(bytes, 0);
  fuzz::insist(well_formed(whole), "frames are whole, unmasked and without unagreed bits");
  fuzz::insist(whole == frames_for(bytes, 1 + data[0] % 32U), "the frames do not depend on the cuts");
  return 0;
}
