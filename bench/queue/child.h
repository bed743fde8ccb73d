// A server process of the bench and a buffered TCP connection to it.
//
// Thread: one.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bench/queue/sync_counter.h"
#include "shared/base/unix_fd.h"

namespace answermill::bench {

// The program's full path: beside this program, in PATH or in `also`; empty when it is not there.
std::string find_program(const std::string& name);

// A port nobody listens on now.
int free_port();

// Runs until destroyed (SIGTERM, then SIGKILL after 10 s), and never longer than this program. Output goes to
// FOLDER/log.
class Child {
 public:
  Child(std::vector<std::string> command, const std::string& folder,
        const std::vector<std::string>& environment = {});
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  pid_t pid() const { return pid_; }
  bool alive() const;
  // Times it synced a file so far, with all it started; none when this machine cannot tell.
  std::optional<std::uint64_t> syncs() const { return syncs_.count(); }
  // Processor time so far, of all its threads and of the processes in its group.
  std::chrono::microseconds cpu() const;

 private:
  SyncCounter syncs_;
  mutable pid_t pid_ = -1;
};

class Connection {
 public:
  // Tries for 60 s while `server` lives.
  Connection(int port, const Child& server);

  void write(std::string_view bytes) { out_ += bytes; }
  void flush();
  bool has_buffered() const { return at_ < in_.size(); }
  // True when bytes are here or come within the time.
  bool wait(int wait_ms);
  // Without the line's end. Blocks.
  std::string_view line();
  std::string_view exactly(std::size_t size);
  int descriptor() const { return socket_.get(); }

 private:
  void fill();
  UniqueFd socket_;
  std::string out_;
  std::string in_;
  std::size_t at_ = 0;
};

}  // namespace answermill::bench
