// Gathers token events into larger ones for readers that want fewer of them. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "shared/messages/jobs.h"

namespace answermill::frontend {

class TokenGatherer {
 public:
  explicit TokenGatherer(std::size_t bytes) : bytes_(bytes) {}

  // What is to be told now, in order: nothing while a run of tokens is still short, else the run and
  // whatever came after it.
  std::vector<messages::StreamEvent> add(messages::StreamEvent event);
  // The run as it is.
  std::optional<messages::StreamEvent> take();
  bool holding() const { return held_.has_value(); }

 private:
  std::size_t bytes_;
  std::optional<messages::StreamEvent> held_;
};

}  // namespace answermill::frontend
