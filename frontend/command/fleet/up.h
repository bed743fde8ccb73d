// `answermill up`: the whole fleet in the foreground.
#pragma once

#include <string>
#include <vector>

namespace answermill::command {

struct UpOptions {
  std::string data = "answermill-data";
  std::vector<std::string> listen = {"localhost:8000"};
  std::string workers;  // as in parse_worker_counts()
  std::string config;
  std::string bus_listen;   // "tcp://HOST:PORT"; empty: this host only
  std::string grpc_listen;  // "HOST:PORT"; empty: no gRPC
  std::string tls_cert;     // for gRPC and listen entries with https://
  std::string tls_key;
  bool open = false;
};

// Blocks until it is told to stop; returns the exit code.
int run_up(const UpOptions& options);

// `answermill up` from its flags on.
int up_main(int argc, const char* const* argv);

}  // namespace answermill::command
