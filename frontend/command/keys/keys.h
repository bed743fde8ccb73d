// `answermill keys`: makes, lists and revokes the keys that let other hosts onto the bus.
//
// Works on the data folder of the broker's host; a running broker notices by itself. Secrets go into files
// that only their owner can read, never to the terminal, a log or a command line.
#pragma once

#include <string>

#include "shared/base/result.h"
#include "shared/bus/role.h"

namespace answermill::command {

// Makes a key, puts it on the list and writes its file; the file's path. Empty `out`: DATA/keys/NAME.key.
// Errors: kConflict (the name is taken, or the file exists), kInvalidArgument, kUnavailable.
Result<std::string> make_key(const std::string& data, const std::string& name, bus::RoleSet roles,
                             const std::string& out);

// Takes a key off the list and removes its file where make_key() put it. Errors: kNotFound, kUnavailable.
Status revoke_key(const std::string& data, const std::string& name);

int keys_main(int argc, const char* const* argv);

}  // namespace answermill::command
