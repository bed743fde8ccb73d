// The test model server as a child process.
#pragma once

#include <sys/types.h>

#include <string>

namespace answermill::generate {

class ModelServer {
 public:
  // Blocks until it listens. `base_url` stays empty when Node is not there.
  ModelServer();
  ~ModelServer();
  ModelServer(const ModelServer&) = delete;
  ModelServer& operator=(const ModelServer&) = delete;

  const std::string& base_url() const { return base_url_; }

 private:
  pid_t pid_ = -1;
  std::string base_url_;
};

}  // namespace answermill::generate
