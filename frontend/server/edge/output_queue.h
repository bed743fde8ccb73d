// Bytes that wait for one peer, and how they get to its transport.
//
// Small pieces are joined; large and shared ones are kept as they are. At most kWriteBytes go into one system
// call.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/server/edge/transport.h"

namespace answermill::frontend {

class OutputQueue {
 public:
  static constexpr std::size_t kWriteBytes = 64 * 1024;

  void append(std::string_view bytes);
  void append(std::string&& bytes);
  void append(std::shared_ptr<const std::string> bytes);

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  enum class Outcome {
    kEmpty,         // everything is with the transport
    kBlocked,       // no more is taken now
    kMore,          // the budget is used up, more would be taken
    kAwaitingPeer,  // nothing can be sent before the peer has said something
    kFailed,        // the connection is broken
  };
  // Writes up to about `budget` bytes; adds what was taken to `written`.
  Outcome write_to(Transport& transport, std::size_t budget, std::size_t& written);

  // Frees everything, also the buffer kept for the next turn.
  void clear();

 private:
  struct Segment {
    std::string own;
    std::shared_ptr<const std::string> shared;  // when set, `own` is unused
    std::string_view view() const { return shared ? std::string_view(*shared) : std::string_view(own); }
  };
  void consume(std::size_t bytes);

  std::vector<Segment> segments_;  // from first_ on
  std::size_t first_ = 0;
  std::size_t offset_ = 0;  // into segments_[first_]
  std::size_t size_ = 0;
};

}  // namespace answermill::frontend
