// Keys of the bus: pairs, the files that hold them, and the broker's list of keys it lets in.
//
// A key file holds everything one host needs to join: its own pair, the broker's public key and what the key
// may do. It is a secret: it is written for its owner only, and refused when others can read it. Keys are
// Curve25519 in Z85, 40 characters each.
// Source: https://rfc.zeromq.org/spec/26/ (CURVE), https://rfc.zeromq.org/spec/32/ (Z85)
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "shared/base/result.h"
#include "shared/bus/role.h"

namespace answermill::bus {

inline constexpr std::size_t kKeyCharacters = 40;

struct KeyPair {
  std::string public_key;
  std::string secret_key;
};

KeyPair new_key_pair();
// 40 characters of Z85's alphabet.
bool is_key(std::string_view text);
// A ZAP credential (32 bytes) as text; empty for another size.
std::string key_text(std::string_view bytes);
// Letters, digits, '.', '-' and '_', at most 64, no '.' in front: it is a file's name, too.
bool is_key_name(std::string_view name);

struct KeyFile {
  std::string name;
  RoleSet roles;
  KeyPair pair;
  std::string broker;  // the broker's public key; empty in the broker's own file
};

std::string format_key_file(const KeyFile& key);
// Errors: kInvalidArgument, without a word of the content.
Result<KeyFile> parse_key_file(std::string_view text);

// Errors: kNotFound, kForbidden (others can read the file), kInvalidArgument. Messages begin with the path.
Result<KeyFile> read_key_file(const std::string& path);

// Writes 0600 beside `path`, syncs and renames: readers see the old file or the new one, never a part. As
// root, the file belongs to the owner of its folder. Errors: kDiskFull, kUnavailable.
Status write_private_file(const std::string& path, std::string_view content);

struct AllowedKey {
  std::string name;
  RoleSet roles;
  std::string public_key;
  std::string since;  // day, for people
};

// The keys the broker lets in. A line that cannot be read lets nobody in; `damaged` counts such lines.
struct AllowList {
  std::vector<AllowedKey> keys;
  int damaged = 0;

  const AllowedKey* by_key(std::string_view public_key) const;
  const AllowedKey* by_name(std::string_view name) const;
};

AllowList parse_allow_list(std::string_view text);
std::string format_allow_list(const AllowList& list);
// A missing file is an empty list. Errors: kUnavailable when there is one that cannot be read.
Result<AllowList> read_allow_list(const std::string& path);

// The keys' folder of a data folder, and its files.
std::string keys_folder(const std::string& data);
std::string broker_key_path(const std::string& data);
std::string allow_list_path(const std::string& data);

// The broker's own pair, made on first use (folder 0700, file 0600). Errors: as above.
Result<KeyPair> broker_keys(const std::string& data);

}  // namespace answermill::bus
