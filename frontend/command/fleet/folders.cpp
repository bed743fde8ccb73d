#include "frontend/command/fleet/folders.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <vector>

#include "shared/base/ids.h"
#include "shared/config/settings_file.h"

namespace answermill::command {
namespace {

constexpr std::string_view kLongestEndpoint = "/worker-events";
constexpr std::size_t kTokenCharacters = 32;  // 160 random bits

std::string read_some(int fd) {
  char buffer[256];
  const ssize_t count = ::pread(fd, buffer, sizeof buffer, 0);
  return count > 0 ? std::string(config::trimmed(std::string_view(buffer, static_cast<std::size_t>(count))))
                   : "";
}

bool write_all(int fd, std::string_view text) {
  return ::ftruncate(fd, 0) == 0 &&
         ::pwrite(fd, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
}

}  // namespace

Result<DataFolder> take_data_folder(const std::string& path) {
  std::error_code problem;
  const std::filesystem::path absolute = std::filesystem::absolute(path, problem).lexically_normal();
  if (!problem && !std::filesystem::is_directory(absolute)) {
    std::filesystem::create_directories(absolute, problem);
    if (!problem) ::chmod(absolute.c_str(), 0700);
  }
  if (problem) {
    return Error{ErrorCode::kInvalidArgument, fmt::format("data folder {}: {}", path, problem.message())};
  }
  DataFolder folder{absolute.string(),
                    UniqueFd(::open((absolute / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600))};
  if (!folder.lock) {
    return Error{ErrorCode::kInvalidArgument, fmt::format("data folder {}: {}", path, std::strerror(errno))};
  }
  if (::flock(folder.lock.get(), LOCK_EX | LOCK_NB) != 0) {
    const std::string owner = read_some(folder.lock.get());
    return Error{ErrorCode::kConflict, fmt::format("data folder {} is in use by another answermill{}", path,
                                                   owner.empty() ? "" : fmt::format(" (process {})", owner))};
  }
  (void)write_all(folder.lock.get(), fmt::format("{}\n", ::getpid()));  // only helps the other one's message
  return folder;
}

Result<std::string> access_token(const std::string& data) {
  const std::string path = data + "/access-token";
  const UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file || ::fchmod(file.get(), 0600) != 0) {
    return Error{ErrorCode::kInternal, fmt::format("{}: {}", path, std::strerror(errno))};
  }
  std::string token = read_some(file.get());
  if (!token.empty()) return token;
  token = random_id(kTokenCharacters);
  if (!write_all(file.get(), token + "\n")) {
    return Error{ErrorCode::kInternal, fmt::format("{}: {}", path, std::strerror(errno))};
  }
  return token;
}

Result<std::string> make_runtime_folder() {
  std::vector<std::string> parents;
  if (const char* given = std::getenv("XDG_RUNTIME_DIR"); given != nullptr && *given == '/')
    parents.emplace_back(given);
  parents.emplace_back("/tmp");
  for (const std::string& parent : parents) {
    std::string folder = parent + "/answermill-XXXXXX";
    if (folder.size() + kLongestEndpoint.size() > kLongestSocketPath) continue;
    if (::mkdtemp(folder.data()) != nullptr) return folder;
  }
  return Error{ErrorCode::kInternal,
               fmt::format("no runtime folder can be made under {}", fmt::join(parents, " or "))};
}

}  // namespace answermill::command
