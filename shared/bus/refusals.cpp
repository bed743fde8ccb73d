#include "shared/bus/refusals.h"

#include <cstdlib>

#include "shared/log/log.h"

namespace answermill::bus {
namespace {
constexpr std::chrono::seconds kBetweenLines{1};
}

std::string_view to_string(Refusal refusal) {
  switch (refusal) {
    case Refusal::kPlaintext:
      return "plaintext";
    case Refusal::kHandshake:
      return "handshake";
    case Refusal::kUnknownKey:
      return "unknown_key";
    case Refusal::kWrongRole:
      return "wrong_role";
    case Refusal::kOversize:
      return "oversize";
    case Refusal::kVersion:
      return "version";
    case Refusal::kMalformed:
      return "malformed";
  }
  std::abort();
}

void Refusals::note(Refusal refusal, std::string_view detail, Clock::time_point now) {
  std::uint64_t fresh = 0;
  std::uint64_t total = 0;
  {
    const std::lock_guard lock(mutex_);
    Entry& entry = entries_.at(static_cast<std::size_t>(refusal));
    total = ++entry.count;
    if (now < entry.next_line) return;
    entry.next_line = now + kBetweenLines;
    fresh = total - entry.logged;
    entry.logged = total;
  }
  log::warn("event=refused reason={} new={} total={} detail=\"{}\"", to_string(refusal), fresh, total,
            detail);
}

std::uint64_t Refusals::count(Refusal refusal) const {
  const std::lock_guard lock(mutex_);
  return entries_.at(static_cast<std::size_t>(refusal)).count;
}

}  // namespace answermill::bus
