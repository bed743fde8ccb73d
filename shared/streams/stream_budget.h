// How much memory the logs of streams may take together, and which of them leaves first.
//
// Whoever keeps logs tells the size of each, and which may go: those that have ended (and can be had
// elsewhere) before those that nobody looks at, the longest so first. What must stay is counted and never
// named.
//
// Pure; time is given. Thread: none of its own. Units: bytes. Every call costs O(log n).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>

namespace answermill::streams {

class StreamBudget {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  enum class Leaves : std::uint8_t { kFirst = 0, kSecond = 1, kNever = 2 };

  explicit StreamBudget(std::size_t limit) : limit_(limit) {}

  // A new stream must stay until told otherwise.
  void resize(const std::string& stream, std::size_t bytes);
  // From `since` on it may leave in its turn, or must stay. A stream that is not here stays away.
  void set(const std::string& stream, Leaves leaves, TimePoint since);
  void forget(const std::string& stream);

  // While more than the limit is taken: who should leave next; null when nobody may. Valid until the next
  // change.
  const std::string* next_to_leave() const;
  bool exceeded() const { return total_ > limit_; }
  std::size_t total() const { return total_; }

 private:
  struct Kept {
    std::size_t bytes = 0;
    Leaves leaves = Leaves::kNever;
    TimePoint since{};
  };
  using Turn = std::tuple<Leaves, TimePoint, const std::string*>;
  static Turn turn(const std::pair<const std::string, Kept>& kept) {
    return {kept.second.leaves, kept.second.since, &kept.first};
  }

  std::size_t limit_;
  std::size_t total_ = 0;
  std::unordered_map<std::string, Kept> kept_;
  std::set<Turn> line_;  // those that may leave
};

}  // namespace answermill::streams
