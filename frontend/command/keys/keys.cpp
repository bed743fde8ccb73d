#include "frontend/command/keys/keys.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <filesystem>

#include "frontend/command/exit_codes.h"
#include "shared/base/unix_fd.h"
#include "shared/bus/keys.h"
#include "shared/config/config.h"

namespace answermill::command {
namespace {

std::string key_file_path(const std::string& data, const std::string& name) {
  return bus::keys_folder(data) + "/" + name + ".key";
}

// Two commands at once must not overwrite each other's change of the list.
Result<UniqueFd> lock_keys(const std::string& data) {
  UniqueFd lock(::open(bus::keys_folder(data).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!lock || ::flock(lock.get(), LOCK_EX) != 0)
    return Error{ErrorCode::kNotFound, data + ": there are no keys in this data folder"};
  return lock;
}

std::string today() { return fmt::format("{:%Y-%m-%d}", fmt::gmtime(std::time(nullptr))); }

int complain(const Error& error) {
  fmt::print(stderr, "answermill keys: {}\n", error.message);
  return error.code == ErrorCode::kInvalidArgument ? kExitUsage : exit_code_of(error.code);
}

// How a worker's host uses the key; an index worker belongs where the data folder is, and an operator only
// asks.
std::string join_command(const std::string& name, bus::RoleSet roles) {
  std::string workers;
  for (const bus::Role role : {bus::Role::kExtract, bus::Role::kEmbed, bus::Role::kGenerate}) {
    if (!roles.has(role)) continue;
    workers += fmt::format("{}{}=1", workers.empty() ? "" : ",", bus::to_string(role));
  }
  return workers.empty()
             ? fmt::format("PROGRAM --bus tcp://HOST:7400 --bus-key {}.key …", name)
             : fmt::format("answermill join tcp://HOST:7400 --key {}.key --workers {}", name, workers);
}

int run_new(const std::string& data, const std::string& name, const std::string& role,
            const std::string& out) {
  const auto roles = bus::RoleSet::parse(role);
  if (!roles) return complain({ErrorCode::kInvalidArgument, "--role: " + roles.error().message});
  const auto path = make_key(data, name, *roles, out);
  if (!path) return complain(path.error());
  fmt::print("{}\n", *path);
  fmt::print(
      stderr,
      "A secret: move this file to the host that shall use it, and let nobody else read it.\n"
      "The broker must listen: --bus-listen tcp://0.0.0.0:7400 (or ANSWERMILL_BUS_LISTEN). Then, there:\n");
  if (roles->has(bus::Role::kFrontend)) {
    fmt::print(stderr, "  answermill-frontend --bus tcp://HOST:7400 --bus-key {}.key …\n", name);
  } else {
    fmt::print(stderr, "  {}\n", join_command(name, *roles));
  }
  return kExitOk;
}

int run_list(const std::string& data) {
  const auto list = bus::read_allow_list(bus::allow_list_path(data));
  if (!list) return complain(list.error());
  std::size_t width = 4;
  for (const auto& key : list->keys) width = std::max(width, key.name.size());
  fmt::print("{:<{}}  {:<10}  {:<40}  {}\n", "NAME", width, "SINCE", "PUBLIC KEY", "ROLES");
  for (const auto& key : list->keys)
    fmt::print("{:<{}}  {:<10}  {:<40}  {}\n", key.name, width, key.since, key.public_key, key.roles.text());
  if (list->damaged > 0) {
    fmt::print(stderr, "{} lines of {} cannot be read and let nobody in\n", list->damaged,
               bus::allow_list_path(data));
    return kExitFailed;
  }
  return kExitOk;
}

int run_revoke(const std::string& data, const std::string& name) {
  if (const auto revoked = revoke_key(data, name); !revoked) return complain(revoked.error());
  fmt::print("revoked {}\n", name);
  return kExitOk;
}

}  // namespace

Result<std::string> make_key(const std::string& data, const std::string& name, bus::RoleSet roles,
                             const std::string& out) {
  if (!bus::is_key_name(name) || name == "broker") {
    return Error{ErrorCode::kInvalidArgument,
                 "a key's name has letters, digits, '.', '-' and '_', at most 64, and is not 'broker'"};
  }
  std::error_code problem;
  if (!std::filesystem::is_directory(data, problem))
    return Error{ErrorCode::kInvalidArgument, "--data: there is no folder " + data};
  const auto broker = bus::broker_keys(data);
  if (!broker) return broker.error();
  const auto lock = lock_keys(data);
  if (!lock) return lock.error();
  auto list = bus::read_allow_list(bus::allow_list_path(data));
  if (!list) return list.error();
  const std::string path = out.empty() ? key_file_path(data, name) : out;
  if (list->by_name(name) != nullptr)
    return Error{ErrorCode::kConflict, "there is a key called " + name + " already; revoke it first"};
  if (std::filesystem::exists(path, problem)) return Error{ErrorCode::kConflict, path + " exists already"};
  const bus::KeyFile key{name, roles, bus::new_key_pair(), broker->public_key};
  if (auto written = bus::write_private_file(path, bus::format_key_file(key)); !written)
    return written.error();
  list->keys.push_back({name, roles, key.pair.public_key, today()});
  const auto listed = bus::write_private_file(bus::allow_list_path(data), bus::format_allow_list(*list));
  if (!listed) {
    ::unlink(path.c_str());  // a key that opens nothing would only confuse
    return listed.error();
  }
  return path;
}

Status revoke_key(const std::string& data, const std::string& name) {
  const auto lock = lock_keys(data);
  if (!lock) return lock.error();
  auto list = bus::read_allow_list(bus::allow_list_path(data));
  if (!list) return list.error();
  const auto found = std::find_if(list->keys.begin(), list->keys.end(),
                                  [&](const bus::AllowedKey& key) { return key.name == name; });
  if (found == list->keys.end())
    return Error{ErrorCode::kNotFound, "there is no key called " + name + "; see answermill keys list"};
  list->keys.erase(found);
  auto written = bus::write_private_file(bus::allow_list_path(data), bus::format_allow_list(*list));
  if (written) ::unlink(key_file_path(data, name).c_str());
  return written;
}

int keys_main(int argc, const char* const* argv) {
  std::string data = "answermill-data";
  std::string role;
  std::string out;
  config::Table table("answermill keys", "keys that let other hosts onto the bus");
  table.text("data", &data, {"ANSWERMILL_DATA_DIR"}, "DIR", "data folder of the broker")
      .text("role", &role, {}, "ROLES",
            "new: what the key may do: frontend, extract, embed, index, generate, operator; several with "
            "commas")
      .text("out", &out, {}, "FILE", "new: where to write the key (default DIR/keys/NAME.key)")
      .usage("new NAME --role ROLES | list | revoke NAME",
             "A running broker takes changes at once; the peers of a revoked key are cut off.\n");
  const auto loaded = table.load(argc, argv);
  if (!loaded) return complain(loaded.error());
  if (loaded->exit_now) return kExitOk;
  const auto& words = loaded->positional;
  const std::string what = words.empty() ? "" : words[0];
  if (what == "new" && words.size() == 2) return run_new(data, words[1], role, out);
  if (what == "list" && words.size() == 1) return run_list(data);
  if (what == "revoke" && words.size() == 2) return run_revoke(data, words[1]);
  return complain({ErrorCode::kInvalidArgument, "say: new NAME --role ROLES, list, or revoke NAME"});
}

}  // namespace answermill::command
