// The children's log lines on one terminal: "extract.2 | …", coloured when it is one.
//
// Thread: one. Owns: nothing; writes to the descriptor given.
// A reader that stalls (a stopped terminal, a full pipe) never stalls the fleet: up to kMostPending bytes
// wait, what comes beyond is dropped and counted in a line of its own.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

namespace answermill::command {

// Cuts bytes into whole lines with a prefix. Pure. Lines over kLongestLine are cut.
class LinePrefixer {
 public:
  static constexpr std::size_t kLongestLine = 16'384;

  explicit LinePrefixer(std::string prefix) : prefix_(std::move(prefix)) {}
  // The complete lines of what came so far, each with the prefix and a line feed.
  std::string feed(std::string_view bytes);
  // What is left without a line feed; empty when nothing is.
  std::string finish();

 private:
  void end_line(std::string& out);

  std::string prefix_;
  std::string partial_;
};

// "extract.2  | ", padded to `width`, in the colour number `index` picks.
std::string line_prefix(std::string_view name, std::size_t width, std::size_t index, bool colour);

class LogSink {
 public:
  static constexpr std::size_t kMostPending = std::size_t{1} << 20U;

  explicit LogSink(int fd) : fd_(fd) {}
  void write(std::string_view lines);
  bool pending() const { return !pending_.empty(); }
  int fd() const { return fd_; }
  // Writes as much as goes without blocking.
  void flush();

 private:
  int fd_;
  std::string pending_;
  std::size_t dropped_bytes_ = 0;
};

}  // namespace answermill::command
