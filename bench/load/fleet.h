// A whole fleet for a bench: `answermill up` on an empty folder and a port of its own.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace answermill::bench {

class Fleet {
 public:
  // `model_port` is a model server of this machine, 0 for none. The program stands beside this one.
  // `arguments` go to `answermill up`, separated by spaces.
  Fleet(std::uint16_t model_port, const std::string& arguments = {});
  ~Fleet();
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;

  std::uint16_t port() const { return port_; }
  // Returns when its text is searchable.
  void ingest(const std::string& name, const std::string& text) const;
  // CPU time of all its processes so far.
  double cpu_seconds() const;

 private:
  std::string folder_;
  pid_t pid_ = -1;
  std::uint16_t port_ = 0;
};

// A text of `pages` pages whose page N says something that only it says.
std::string book(int pages);

}  // namespace answermill::bench
