// The worker process: connects a stage to the broker until SIGTERM (drain, then exit) or SIGINT.
#pragma once

#include <memory>
#include <string>

#include "shared/config/config.h"
#include "workers/runtime/stage.h"

namespace answermill::runtime {

struct WorkerOptions {
  std::string work_endpoint;    // broker's ROUTER, e.g. ipc:///run/answermill/work
  std::string events_endpoint;  // broker's XSUB
  std::string bus;              // from another host instead: "tcp://HOST:PORT" …
  std::string bus_key;          // … with this key file
};

// Adds the flags of all four.
void describe_bus(config::Table& table, WorkerOptions& options);

// Blocks until the worker is told to stop. Returns the process's exit code. Takes over SIGTERM and SIGINT for
// the whole process: any of its threads may receive them, also those that libraries made before main().
int run_worker(const WorkerOptions& options, Stage& stage);

}  // namespace answermill::runtime
