#include "shared/bus/keys.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>

#include "shared/base/ids.h"
#include "shared/base/unix_fd.h"

namespace answermill::bus {
namespace {

constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kLargestFile = 1U << 20U;
constexpr mode_t kForOthers = 077;

Error problem_with(const std::string& path, int problem) {
  const auto code = problem == ENOENT   ? ErrorCode::kNotFound
                    : problem == ENOSPC ? ErrorCode::kDiskFull
                                        : ErrorCode::kUnavailable;
  return {code, path + ": " + std::strerror(problem)};
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const auto begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

template <class Line>
void each_line(std::string_view text, const Line& line) {
  while (!text.empty()) {
    const std::string_view whole = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), whole.size() + 1));
    const std::string_view words = trimmed(whole);
    if (!words.empty() && words.front() != '#') line(words);
  }
}

// Errors: by errno, and kTooLarge. `mode` receives the file's permissions.
Result<std::string> read_file(const std::string& path, mode_t* mode) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat facts {};
  if (!file || ::fstat(file.get(), &facts) != 0) return problem_with(path, errno);
  *mode = facts.st_mode;
  std::string content;
  std::array<char, 4096> buffer{};
  while (true) {
    const ssize_t count = ::read(file.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return problem_with(path, errno);
    if (count == 0) return content;
    content.append(buffer.data(), static_cast<std::size_t>(count));
    if (content.size() > kLargestFile) return Error{ErrorCode::kTooLarge, path + ": is too large"};
  }
}

Status write_all(int file, std::string_view content, const std::string& path) {
  while (!content.empty()) {
    const ssize_t count = ::write(file, content.data(), content.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return problem_with(path, errno);
    content.remove_prefix(static_cast<std::size_t>(count));
  }
  return ::fsync(file) == 0 ? Status{} : Status{problem_with(path, errno)};
}

// What root writes into a service's folder must stay readable for the service.
void give_to_owner_of(const std::string& folder, int file) {
  struct stat facts {};
  if (::geteuid() != 0 || ::stat(folder.c_str(), &facts) != 0) return;
  (void)!::fchown(file, facts.st_uid, facts.st_gid);
}

}  // namespace

KeyPair new_key_pair() {
  std::array<char, kKeyCharacters + 1> public_key{};
  std::array<char, kKeyCharacters + 1> secret_key{};
  if (zmq_curve_keypair(public_key.data(), secret_key.data()) != 0) std::abort();  // libzmq without CURVE
  return {public_key.data(), secret_key.data()};
}

bool is_key(std::string_view text) {
  constexpr std::string_view kAlphabet =
      "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
  return text.size() == kKeyCharacters && text.find_first_not_of(kAlphabet) == std::string_view::npos;
}

std::string key_text(std::string_view bytes) {
  if (bytes.size() != kKeyBytes) return {};
  std::array<char, kKeyCharacters + 1> text{};
  zmq_z85_encode(text.data(), reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  return text.data();
}

bool is_key_name(std::string_view name) {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
  return !name.empty() && name.size() <= 64 && name.front() != '.' &&
         name.find_first_not_of(kLetters) == std::string_view::npos;
}

std::string format_key_file(const KeyFile& key) {
  std::string text = "# A key of the Answermill bus. Whoever can read this file can do what the key may.\n";
  text += "name = " + key.name + "\n";
  if (!key.roles.empty()) text += "roles = " + key.roles.text() + "\n";
  text += "public = " + key.pair.public_key + "\n";
  text += "secret = " + key.pair.secret_key + "\n";
  if (!key.broker.empty()) text += "broker = " + key.broker + "\n";
  return text;
}

Result<KeyFile> parse_key_file(std::string_view text) {
  std::map<std::string, std::string, std::less<>> values;
  each_line(text, [&](std::string_view line) {
    const auto equals = line.find(" = ");  // a key may hold a '=', a space never
    if (equals == std::string_view::npos) return;
    values[std::string(trimmed(line.substr(0, equals)))] = trimmed(line.substr(equals + 3));
  });
  KeyFile key{values["name"], {}, {values["public"], values["secret"]}, values["broker"]};
  const bool whole = is_key_name(key.name) && is_key(key.pair.public_key) && is_key(key.pair.secret_key) &&
                     (key.broker.empty() || is_key(key.broker));
  if (!whole) return Error{ErrorCode::kInvalidArgument, "is not a whole key file"};
  if (const auto& roles = values["roles"]; !roles.empty()) {
    const auto parsed = RoleSet::parse(roles);
    if (!parsed) return parsed.error();
    key.roles = *parsed;
  }
  return key;
}

Result<KeyFile> read_key_file(const std::string& path) {
  mode_t mode = 0;
  const auto content = read_file(path, &mode);
  if (!content) return content.error();
  if ((mode & kForOthers) != 0) {
    return Error{ErrorCode::kForbidden, path + ": others can read this secret key; run: chmod 600 " + path};
  }
  auto key = parse_key_file(*content);
  if (!key) return Error{key.error().code, path + ": " + key.error().message};
  return key;
}

Status write_private_file(const std::string& path, std::string_view content) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  const std::string fresh = path + "." + random_id();
  const UniqueFd file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file) return problem_with(fresh, errno);
  give_to_owner_of(folder.empty() ? "." : folder, file.get());
  auto written = write_all(file.get(), content, path);
  if (written && ::rename(fresh.c_str(), path.c_str()) != 0) written = problem_with(path, errno);
  if (!written) ::unlink(fresh.c_str());
  const UniqueFd directory(::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (written && directory) (void)::fsync(directory.get());
  return written;
}

const AllowedKey* AllowList::by_key(std::string_view public_key) const {
  const auto found = std::find_if(keys.begin(), keys.end(),
                                  [&](const AllowedKey& key) { return key.public_key == public_key; });
  return found == keys.end() ? nullptr : &*found;
}

const AllowedKey* AllowList::by_name(std::string_view name) const {
  const auto found =
      std::find_if(keys.begin(), keys.end(), [&](const AllowedKey& key) { return key.name == name; });
  return found == keys.end() ? nullptr : &*found;
}

AllowList parse_allow_list(std::string_view text) {
  AllowList list;
  each_line(text, [&list](std::string_view line) {
    std::vector<std::string> words;
    while (!line.empty()) {
      const std::string_view word = line.substr(0, line.find_first_of(" \t"));
      words.emplace_back(word);
      line = trimmed(line.substr(word.size()));
    }
    if (words.size() < 3 || !is_key_name(words[0]) || !is_key(words[2])) {
      ++list.damaged;
      return;
    }
    const auto roles = RoleSet::parse(words[1]);
    if (!roles || list.by_name(words[0]) != nullptr || list.by_key(words[2]) != nullptr) {
      ++list.damaged;
      return;
    }
    list.keys.push_back({words[0], *roles, words[2], words.size() > 3 ? words[3] : ""});
  });
  return list;
}

std::string format_allow_list(const AllowList& list) {
  std::string text =
      "# Public keys the broker lets in: name, roles, key, since. `answermill keys` writes this.\n";
  for (const auto& key : list.keys) {
    text += key.name + " " + key.roles.text() + " " + key.public_key + " " + key.since + "\n";
  }
  return text;
}

Result<AllowList> read_allow_list(const std::string& path) {
  mode_t mode = 0;
  const auto content = read_file(path, &mode);
  if (content) return parse_allow_list(*content);
  if (content.error().code == ErrorCode::kNotFound) return AllowList{};
  return content.error();
}

std::string keys_folder(const std::string& data) { return data + "/keys"; }
std::string broker_key_path(const std::string& data) { return keys_folder(data) + "/broker.key"; }
std::string allow_list_path(const std::string& data) { return keys_folder(data) + "/allowed"; }

Result<KeyPair> broker_keys(const std::string& data) {
  const std::string folder = keys_folder(data);
  if (::mkdir(folder.c_str(), 0700) == 0) {
    const UniqueFd made(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (made) give_to_owner_of(data, made.get());
  } else if (errno != EEXIST) {
    return problem_with(folder, errno);
  }
  // Broker and `answermill keys` may both be first: one makes the pair, the other reads it.
  const UniqueFd lock(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!lock || ::flock(lock.get(), LOCK_EX) != 0) return problem_with(folder, errno);
  const auto known = read_key_file(broker_key_path(data));
  if (known) return known->pair;
  if (known.error().code != ErrorCode::kNotFound) return known.error();
  const KeyPair pair = new_key_pair();
  const auto written = write_private_file(broker_key_path(data), format_key_file({"broker", {}, pair, {}}));
  if (!written) return written.error();
  return pair;
}

}  // namespace answermill::bus
