// How many processes of each stage run: "extract=2,embed=1,index=1,generate=1,frontend=1".
#pragma once

#include <string>
#include <string_view>

#include "shared/base/result.h"

namespace answermill::command {

struct WorkerCounts {
  int extract = 2;
  int embed = 1;
  int index = 1;
  int generate = 1;
  int frontend = 1;

  friend bool operator==(const WorkerCounts&, const WorkerCounts&) = default;
};

inline constexpr int kMostOfOneStage = 64;

// Stages that are not named keep their count in `counts`; extract, embed and generate may have none here,
// when others join from elsewhere. Errors: kInvalidArgument, naming what is wrong.
Result<WorkerCounts> parse_worker_counts(std::string_view text, WorkerCounts counts = {});

std::string to_string(const WorkerCounts& counts);

}  // namespace answermill::command
