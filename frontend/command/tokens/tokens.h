// `answermill tokens`: makes, lists and revokes the access tokens of a data folder's servers.
#pragma once

#include <string>
#include <vector>

#include "shared/access/scope.h"
#include "shared/base/result.h"

namespace answermill::command {

// Notes a fresh token in the data folder and gives it; only its digest is kept. Errors: kInvalidArgument,
// kConflict (the name is taken), those of the file.
Result<std::string> make_token(const std::string& data, const std::string& name, access::ScopeSet scopes,
                               const std::vector<std::string>& collections);

// Errors: kNotFound, those of the file.
Status revoke_token(const std::string& data, const std::string& name);

int tokens_main(int argc, const char* const* argv);

}  // namespace answermill::command
