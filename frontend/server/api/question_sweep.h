// Questions whose frontend died before the broker had them: they are on record as streaming, but nobody works
// on them. Every second each frontend looks for such rows and submits them again, which is harmless
// where the broker knows them after all.
//
// Thread: the loop.
#pragma once

#include <chrono>
#include <memory>

#include "frontend/server/api/services.h"

namespace answermill::frontend {

class QuestionSweep {
 public:
  explicit QuestionSweep(Services& services) : services_(services) {}
  void start();

 private:
  void schedule(std::chrono::milliseconds delay);
  void sweep();
  void look_at(const UnsettledAnswer& answer);
  void take_up(const UnsettledAnswer& answer);
  void refuse(const std::string& stream, const Error& error);

  Services& services_;
  std::unique_ptr<Timer> timer_;
  Lifetime lifetime_;
};

}  // namespace answermill::frontend
