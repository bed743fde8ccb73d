// The live display of `answermill ingest`: a few lines that are redrawn on a terminal, plain lines elsewhere.
//
// Thread: one. Owns: the lines below the cursor, while there are any.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "frontend/command/client/ingest_lines.h"

namespace answermill::command {

enum class ScreenKind { kLive, kPlain, kJson };

class IngestScreen {
 public:
  explicit IngestScreen(ScreenKind kind) : kind_(kind) {}

  // Something of this file changed.
  void changed(std::size_t index, const FileProgress& file);
  // The file is ready or failed: its line is printed for good.
  void finished(const FileProgress& file);
  // Draws the files that are under way, at most as many as fit.
  void draw(const std::vector<FileProgress>& files);
  // Removes what is drawn.
  void clear();

 private:
  ScreenKind kind_;
  std::size_t drawn_ = 0;  // lines
  std::map<std::size_t, PlainMemory> shown_;
};

}  // namespace answermill::command
