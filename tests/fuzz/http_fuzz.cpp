// Any bytes on a connection, cut anywhere: the edge answers in HTTP or not at all, says the same whatever the
// cuts, and lets go of the connection.
#include <algorithm>

#include "shared/log/log.h"
#include "tests/fuzz/edge_world.h"
#include "tests/fuzz/input.h"

using namespace answermill;

namespace {

struct Heard {
  std::string output;
  bool ended = false;
};

Heard hear(std::string_view bytes, std::size_t step, bool half_close) {
  auto& world = fuzz::edge_world();
  world.connect();
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t piece = step == 0 ? bytes.size() : 1 + (at * 7 + step) % step;
    world.send(bytes.substr(at, piece));
    at += piece;
  }
  if (half_close) world.half_close();
  Heard heard{world.output(), world.ended()};
  world.disconnect();
  return heard;
}

// Which of several faults is met first, and so the words of a refusal, does depend on the cuts.
std::string_view without_fault(std::string_view output) {
  std::size_t end = output.size();
  for (const std::string_view fault : {"HTTP/1.1 400", "HTTP/1.1 413", "HTTP/1.1 431", "HTTP/1.1 505"})
    end = std::min(end, output.find(fault));
  return output.substr(0, end);
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
  const bool half_close = (data[0] & 1U) != 0;
  const Heard whole = hear(bytes, 0, half_close);
  fuzz::insist(whole.output.empty() || whole.output.starts_with("HTTP/1."), "an answer is HTTP");
  // After an upgrade the bytes are frames, and a 100 is sent to those who wait for it only.
  const bool alike = whole.output.find("HTTP/1.1 10") == std::string::npos;
  const Heard cut = hear(bytes, 1 + data[0] / 2U % 32U, half_close);
  if (alike && cut.output.find("HTTP/1.1 10") == std::string::npos) {
    fuzz::insist(without_fault(whole.output) == without_fault(cut.output),
                 "the answers do not depend on how the bytes arrive");
    const bool faultless = without_fault(whole.output).size() == whole.output.size();
    if (half_close)
      fuzz::insist(faultless == (without_fault(cut.output).size() == cut.output.size()), "a fault is told");
  }
  return 0;
}
