// Which processes a fleet consists of and how each is called. Pure.
#pragma once

#include <string>
#include <vector>

#include "frontend/command/fleet/child_process.h"
#include "frontend/command/fleet/worker_counts.h"

namespace answermill::command {

struct FleetPlan {
  std::string programs;      // folder of the programs
  std::string data;          // absolute
  std::string runtime;       // folder of the sockets
  std::string web_root;      // empty: no page
  std::string config;        // absolute path of the settings file; empty for none
  std::string bus_listen;    // where workers of other hosts come in; empty for none
  std::string grpc_listen;   // "HOST:PORT"; empty: no gRPC
  std::string frontend_url;  // where gRPC reaches the frontends
  std::string token_file;    // empty: no token is required
  std::vector<int> listen_fds;
  std::vector<int> tls_listen_fds;
  std::string tls_cert;  // absolute paths; empty without TLS
  std::string tls_key;
  std::vector<std::string> allowed_hosts;  // names the frontends answer to beside loopback
  WorkerCounts workers;
};

// In the order of starting: the broker first. Stop phases: everything but the broker, then the broker, which
// takes what the others give back.
std::vector<ChildSpec> plan_fleet(const FleetPlan& plan);

}  // namespace answermill::command
