// `answermill join`: workers of this host for a broker on another one, in the foreground.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "frontend/command/fleet/child_process.h"
#include "frontend/command/fleet/worker_counts.h"
#include "shared/base/result.h"

namespace answermill::command {

struct JoinPlan {
  std::string programs;                     // folder of the programs
  std::string bus;                          // "tcp://HOST:PORT"
  std::string data;                         // absolute: what these workers keep for themselves
  std::string config;                       // absolute path of the settings file; empty for none
  WorkerCounts workers;                     // 0 for none; index workers and frontends stay where the data is
  std::map<std::string, std::string> keys;  // stage → key file
};

std::vector<ChildSpec> plan_join(const JoinPlan& plan);

// Which of the key files is for which stage. Errors: kForbidden (a stage without a key), as read_key_file().
Result<std::map<std::string, std::string>> assign_keys(const std::vector<std::string>& files,
                                                       const WorkerCounts& workers);

int join_main(int argc, const char* const* argv);

}  // namespace answermill::command
