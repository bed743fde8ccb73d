// What was turned away at the bus, counted by reason and logged without letting a flood fill the log.
//
// Thread: any.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string_view>

namespace answermill::bus {

enum class Refusal : std::uint8_t {
  kPlaintext,   // a peer that does not encrypt at a door that demands it
  kHandshake,   // bytes that are no handshake, or one with a wrong broker key
  kUnknownKey,  // a key that is not on the list (any more)
  kWrongRole,   // a known key at a door, or with a message, that its role does not allow
  kOversize,    // a message beyond what any honest peer sends
  kVersion,     // another version of the bus protocol
  kMalformed,   // anything else that does not decode
};
inline constexpr std::size_t kRefusals = 7;

std::string_view to_string(Refusal refusal);

class Refusals {
 public:
  using Clock = std::chrono::steady_clock;

  // Counts, and logs at most one line a second for each reason. `detail` is ours, never the peer's bytes.
  void note(Refusal refusal, std::string_view detail, Clock::time_point now);
  std::uint64_t count(Refusal refusal) const;

 private:
  struct Entry {
    std::uint64_t count = 0;
    std::uint64_t logged = 0;
    Clock::time_point next_line{};
  };
  mutable std::mutex mutex_;
  std::array<Entry, kRefusals> entries_;  // guarded by mutex_
};

}  // namespace answermill::bus
