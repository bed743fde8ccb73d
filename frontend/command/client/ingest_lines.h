// What `answermill ingest` shows of a file on its way to being searchable. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "frontend/command/client/json.h"

namespace answermill::command {

enum class FileState { kWaiting, kUploading, kProcessing, kReady, kFailed };

struct FileProgress {
  std::string path;  // as given
  std::string name;  // without folders
  FileState state = FileState::kWaiting;
  std::uint64_t size = 0;  // bytes
  std::uint64_t sent = 0;  // bytes
  Json document;           // the server's latest word
  std::string problem;     // why it failed
};

// One line of a live display: name, bar, what is going on, time left. At most `width` columns.
std::string bar_line(const FileProgress& file, std::size_t width);

// "120 of 190 pages searchable"; empty while that is unknown.
std::string pages_text(const Json& document);

// What is printed for good: "report.pdf: searchable, 190 pages, 1,200 passages (id …)" or "report.pdf:
// failed: …". Pages that were lost follow in lines of their own.
std::string final_lines(const FileProgress& file);

// A plain line for logs and pipes when a file moved on visibly since `shown`; empty when not. `shown` is the
// caller's memory of what was printed last.
struct PlainMemory {
  FileState state = FileState::kWaiting;
  int quarter = -1;
};
std::string plain_line(const FileProgress& file, PlainMemory& shown);

}  // namespace answermill::command
