// The two folders of a running fleet: the data folder (locked, kept) and the runtime folder (private,
// removed).
#pragma once

#include <string>

#include "shared/base/result.h"
#include "shared/base/unix_fd.h"

namespace answermill::command {

struct DataFolder {
  std::string path;  // absolute
  UniqueFd lock;     // DATA/lock, held as long as this (or a copy in another process) is open
};

// Makes the folder (0700) when it is missing. Errors: kConflict (in use, naming the process),
// kInvalidArgument.
Result<DataFolder> take_data_folder(const std::string& path);

// The token in DATA/access-token (0600), made when there is none. Errors: kInternal.
Result<std::string> access_token(const std::string& data);

// A fresh folder (0700) under $XDG_RUNTIME_DIR or /tmp, short enough for the longest ipc path in it.
Result<std::string> make_runtime_folder();

// The longest path a Unix domain socket may have (sockaddr_un, without the final zero).
inline constexpr std::size_t kLongestSocketPath = 107;

}  // namespace answermill::command
