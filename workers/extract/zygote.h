// A process forked before any thread or ZeroMQ context exists, which forks sandboxed parsers on request.
//
// Thread: start() from main() before anything else; spawn() and kill() from any thread afterwards.
// Owns: the zygote process. It ends, and kills its parsers, when this object or the worker's whole process is
// gone (end of file on its socket, and PR_SET_PDEATHSIG for kill -9). A parser has no network when the kernel
// lets us take it away, no privileges to gain, the walls of parser_walls.h, and limits on memory, processor
// time, open files and written bytes (none).
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstdint>

#include "shared/base/result.h"
#include "shared/base/unix_fd.h"

namespace answermill::extract {

struct ParserLimits {
  std::uint64_t memory_bytes = 1536ULL << 20U;  // address space, beyond the mapped document
  std::chrono::seconds processor_time{14'400};  // of one parser's life; a page's limit is PdfSession's
  std::chrono::seconds idle{20};                // without a request it leaves
};

// What a parser is.
struct ParserProgram {
  // Serves page requests on `session` until it is closed. Returns the exit code.
  int (*run)(int session, int document, const ParserLimits& limits) = nullptr;
  // In the zygote, once: loads what a parser behind its walls no longer can. May be null.
  void (*prepare)() = nullptr;
};

// The worker's ends of a fresh parser.
struct ParserHandle {
  std::uint64_t id = 0;
  UniqueFd session;  // stream socket
  UniqueFd status;   // the zygote writes the pid, and at the end the wait status, as int32 each
  UniqueFd errors;   // what the parser writes to stderr; non-blocking
};

class Zygote {
 public:
  // Forks. Errors: kInternal.
  static Result<Zygote> start(const ParserLimits& limits, ParserProgram parser);
  // Waits for the zygote, which ends at once.
  ~Zygote();
  Zygote(Zygote&& other) noexcept
      : control_(std::move(other.control_)), pid_(other.pid_), next_id_(other.next_id_.load()) {}
  Zygote& operator=(Zygote&&) = delete;

  // The parser gets a duplicate of `document`. Errors: kUnavailable when the zygote is gone or out of
  // descriptors.
  Result<ParserHandle> spawn(int document);
  void kill(std::uint64_t id);

  // False once the zygote is gone, which only a fresh worker process can mend.
  bool alive() const;

  pid_t pid() const { return pid_; }

 private:
  Zygote(UniqueFd control, pid_t pid) : control_(std::move(control)), pid_(pid) {}

  UniqueFd control_;
  pid_t pid_;
  std::atomic<std::uint64_t> next_id_{1};
};

}  // namespace answermill::extract
