#include "frontend/command/tokens/tokens.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <filesystem>

#include "frontend/command/exit_codes.h"
#include "shared/access/token_list.h"
#include "shared/base/unix_fd.h"
#include "shared/bus/keys.h"
#include "shared/config/config.h"

namespace answermill::command {
namespace {

constexpr char kUsage[] = "new NAME [--scope SCOPES] [--collection NAME]… | list | revoke NAME";

// Two commands at once must not overwrite each other's change of the list.
Result<UniqueFd> lock_folder(const std::string& data) {
  UniqueFd lock(::open(data.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!lock || ::flock(lock.get(), LOCK_EX) != 0)
    return Error{ErrorCode::kInvalidArgument, "--data: there is no folder " + data};
  return lock;
}

Result<access::TokenList> read_list(const std::string& data) {
  auto read = access::TokenFile(access::token_list_path(data)).refresh();
  if (!read) return read.error();
  return read->value_or(access::TokenList{});
}

// Writing the list again would drop what could not be read.
Status refuse_damaged(const access::TokenList& list, const std::string& data) {
  if (list.damaged == 0) return {};
  return Error{ErrorCode::kConflict, fmt::format("{} lines of {} cannot be read; mend or remove them first",
                                                 list.damaged, access::token_list_path(data))};
}

Status write_list(const std::string& data, const access::TokenList& list) {
  return bus::write_private_file(access::token_list_path(data), access::format_token_list(list));
}

int complain(const Error& error) {
  fmt::print(stderr, "answermill tokens: {}\n", error.message);
  return error.code == ErrorCode::kInvalidArgument ? kExitUsage : exit_code_of(error.code);
}

int run_new(const std::string& data, const std::string& name, const std::string& scope,
            const std::vector<std::string>& collections) {
  const auto scopes = access::ScopeSet::parse(scope);
  if (!scopes) return complain({ErrorCode::kInvalidArgument, "--scope: " + scopes.error().message});
  const auto token = make_token(data, name, *scopes, collections);
  if (!token) return complain(token.error());
  fmt::print("{}\n", *token);
  fmt::print(
      stderr,
      "A secret, shown this once: programs send it as `Authorization: Bearer TOKEN` (the commands take "
      "it from\nANSWERMILL_TOKEN), people enter it on the page. Every request needs a token now.\n");
  return kExitOk;
}

int run_list(const std::string& data) {
  const auto list = read_list(data);
  if (!list) return complain(list.error());
  std::size_t width = 4;
  for (const auto& token : list->tokens) width = std::max(width, token.name.size());
  fmt::print("{:<{}}  {:<10}  {:<20}  {}\n", "NAME", width, "SINCE", "SCOPES", "COLLECTIONS");
  for (const auto& token : list->tokens) {
    fmt::print("{:<{}}  {:<10}  {:<20}  {}\n", token.name, width, token.since, token.scopes.text(),
               token.collections.empty() ? "all" : fmt::format("{}", fmt::join(token.collections, ",")));
  }
  if (list->damaged == 0) return kExitOk;
  fmt::print(stderr, "{} lines of {} cannot be read and let nobody in\n", list->damaged,
             access::token_list_path(data));
  return kExitFailed;
}

int run_revoke(const std::string& data, const std::string& name) {
  if (const auto revoked = revoke_token(data, name); !revoked) return complain(revoked.error());
  fmt::print("revoked {}\n", name);
  return kExitOk;
}

}  // namespace

Result<std::string> make_token(const std::string& data, const std::string& name, access::ScopeSet scopes,
                               const std::vector<std::string>& collections) {
  if (!access::is_token_name(name)) {
    return Error{ErrorCode::kInvalidArgument,
                 "a token's name has letters, digits, '.', '-' and '_', at most 64, no '.' in front"};
  }
  for (const auto& collection : collections) {
    if (!access::is_token_name(collection))
      return Error{ErrorCode::kInvalidArgument, "--collection: '" + collection + "' is no collection's name"};
  }
  if (!collections.empty() && scopes.has(access::Scope::kAdmin))
    return Error{ErrorCode::kInvalidArgument, "--collection: an admin token reaches everything"};
  const auto lock = lock_folder(data);
  if (!lock) return lock.error();
  auto list = read_list(data);
  if (!list) return list.error();
  if (auto whole = refuse_damaged(*list, data); !whole) return whole.error();
  if (list->by_name(name) != nullptr)
    return Error{ErrorCode::kConflict, "there is a token called " + name + " already; revoke it first"};
  std::string secret = access::new_token();
  const std::string today = fmt::format("{:%Y-%m-%d}", fmt::gmtime(std::time(nullptr)));
  list->tokens.push_back({name, scopes, collections, sha256(secret), today});
  if (auto written = write_list(data, *list); !written) return written.error();
  return secret;
}

Status revoke_token(const std::string& data, const std::string& name) {
  const auto lock = lock_folder(data);
  if (!lock) return lock.error();
  auto list = read_list(data);
  if (!list) return list.error();
  if (auto whole = refuse_damaged(*list, data); !whole) return whole.error();
  const auto gone = std::remove_if(list->tokens.begin(), list->tokens.end(),
                                   [&](const access::Token& token) { return token.name == name; });
  if (gone == list->tokens.end())
    return Error{ErrorCode::kNotFound, "there is no token called " + name + "; see answermill tokens list"};
  list->tokens.erase(gone, list->tokens.end());
  return write_list(data, *list);
}

int tokens_main(int argc, const char* const* argv) {
  std::string data = "answermill-data";
  std::string scope = "read,ask";
  std::vector<std::string> collections;
  config::Table table("answermill tokens", "tokens that let people and programs in");
  table.text("data", &data, {"ANSWERMILL_DATA_DIR"}, "DIR", "data folder of the server")
      .text("scope", &scope, {}, "SCOPES",
            "new: what the token allows: read (search, documents), ask (questions, conversations), write "
            "(upload, delete), admin (everything); several with commas")
      .list("collection", &collections, {}, "NAME", "new: the only collections it reaches; without: all")
      .usage(kUsage,
             "A running server takes changes within a second; connections of a revoked token are closed.\n");
  const auto loaded = table.load(argc, argv);
  if (!loaded) return complain(loaded.error());
  if (loaded->exit_now) return kExitOk;
  const auto& words = loaded->positional;
  const std::string what = words.empty() ? "" : words[0];
  if (what == "new" && words.size() == 2) return run_new(data, words[1], scope, collections);
  if (what == "list" && words.size() == 1) return run_list(data);
  if (what == "revoke" && words.size() == 2) return run_revoke(data, words[1]);
  return complain({ErrorCode::kInvalidArgument, std::string("say: ") + kUsage});
}

}  // namespace answermill::command
