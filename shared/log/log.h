// Structured logs to stderr: "level key=value … message", with journald's priority prefix when not on a
// terminal. Document text never goes above debug; secrets never go in at all.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace answermill::log {

enum class Level { kDebug, kInfo, kWarn, kError };

// Call once in main(), before threads. `program` names the process in every line.
// LOG_LEVEL=DEBUG|INFO|WARN|ERROR decides unless `level` is not empty.
void init(std::string_view program, std::string_view level = {});

bool enabled(Level level);
void write(Level level, std::string_view message);

template <class... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::kDebug)) write(Level::kDebug, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::kInfo)) write(Level::kInfo, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void warn(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::kWarn)) write(Level::kWarn, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::kError)) write(Level::kError, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace answermill::log
