#include "shared/log/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>

namespace answermill::log {
namespace {

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarn:
      return spdlog::level::warn;
    case Level::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

// sd-daemon(3): a line that starts with "<N>" carries that syslog priority into the journal.
std::string_view journal_prefix(Level level) {
  switch (level) {
    case Level::kDebug:
      return "<7>";
    case Level::kInfo:
      return "<6>";
    case Level::kWarn:
      return "<4>";
    case Level::kError:
      return "<3>";
  }
  return "<6>";
}

bool under_journald() { return std::getenv("JOURNAL_STREAM") != nullptr && isatty(STDERR_FILENO) == 0; }

spdlog::logger& logger() {
  static const std::shared_ptr<spdlog::logger> instance = [] {
    auto made =
        std::make_shared<spdlog::logger>("answermill", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%e %l %v");
    made->flush_on(spdlog::level::debug);
    return made;
  }();
  return *instance;
}

}  // namespace

void init(std::string_view program, std::string_view level) {
  const char* from_environment = std::getenv("LOG_LEVEL");
  std::string name(
      !level.empty() ? level : std::string_view(from_environment != nullptr ? from_environment : "info"));
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (name == "warning") name = "warn";
  logger().set_level(spdlog::level::from_str(name) == spdlog::level::off ? spdlog::level::info
                                                                         : spdlog::level::from_str(name));
  const std::string who = fmt::format("{}[{}]", program, ::getpid());
  logger().set_pattern(under_journald() ? "%v" : "%Y-%m-%dT%H:%M:%S.%e %l " + who + " %v");
}

bool enabled(Level level) { return logger().should_log(to_spdlog(level)); }

void write(Level level, std::string_view message) {
  static const bool journald = under_journald();
  if (journald) {
    logger().log(to_spdlog(level), "{}{}", journal_prefix(level), message);
  } else {
    logger().log(to_spdlog(level), "{}", message);
  }
}

}  // namespace answermill::log
