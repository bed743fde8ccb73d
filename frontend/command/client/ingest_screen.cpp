#include "frontend/command/client/ingest_screen.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace answermill::command {
namespace {

struct Size {
  std::size_t columns = 80;
  std::size_t rows = 24;
};

Size terminal_size() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {};
  return {size.ws_col, size.ws_row};
}

void write_out(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

std::string json_line(const FileProgress& file) {
  Json line = {{"file", file.path}};
  if (!file.document.is_null()) line["document"] = file.document;
  if (!file.problem.empty()) line["problem"] = file.problem;
  return to_line(line) + "\n";
}

}  // namespace

void IngestScreen::changed(std::size_t index, const FileProgress& file) {
  if (kind_ == ScreenKind::kPlain) write_out(plain_line(file, shown_[index]));
  if (kind_ == ScreenKind::kJson && file.state == FileState::kProcessing) write_out(json_line(file));
}

void IngestScreen::finished(const FileProgress& file) {
  if (kind_ == ScreenKind::kJson) {
    write_out(json_line(file));
    return;
  }
  clear();
  const std::string lines = final_lines(file);
  if (file.state == FileState::kFailed) {
    std::fwrite(lines.data(), 1, lines.size(), stderr);
  } else {
    write_out(lines);
  }
}

void IngestScreen::clear() {
  if (drawn_ == 0) return;
  write_out(fmt::format("\033[{}A\r\033[J", drawn_));
  drawn_ = 0;
}

void IngestScreen::draw(const std::vector<FileProgress>& files) {
  if (kind_ != ScreenKind::kLive) return;
  const Size size = terminal_size();
  const std::size_t most = std::max<std::size_t>(1, size.rows > 2 ? size.rows - 2 : 1);
  std::string text;
  std::size_t lines = 0;
  std::size_t waiting = 0;
  for (const FileProgress& file : files) {
    const bool under_way = file.state == FileState::kUploading || file.state == FileState::kProcessing;
    if (under_way && lines < most) {
      text += bar_line(file, size.columns - 1) + "\033[K\n";
      ++lines;
    } else if (under_way || file.state == FileState::kWaiting) {
      ++waiting;
    }
  }
  if (waiting > 0) {
    text += fmt::format("{} more\033[K\n", waiting);
    ++lines;
  }
  const std::string home = drawn_ == 0 ? "" : fmt::format("\033[{}A\r", drawn_);
  drawn_ = lines;
  write_out(home + text + "\033[J");
}

}  // namespace answermill::command
