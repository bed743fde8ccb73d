// frontend DEALER ↔ broker ROUTER: stream replay.
#pragma once

#include <cstdint>
#include <string>
#include <tuple>

#include "shared/messages/jobs.h"

namespace answermill::messages {

enum class QueryKind : std::uint8_t { kReplay = 1, kReplayed = 2 };

struct Replay {
  std::uint64_t number = 0;  // echoed
  std::string stream;
  std::uint64_t after_seq = 0;

  auto tie() { return std::tie(number, stream, after_seq); }
};

struct Replayed {
  std::uint64_t number = 0;
  bool known = false;
  StreamState state;  // events after the asked number; text is empty
  std::uint64_t boot = 0;

  auto tie() { return std::tie(number, known, state, boot); }
};

}  // namespace answermill::messages
