// Who may call: the access token of the configuration, those of the tokens file, and what is shown to the
// frontend in a caller's name. Scopes and limits are the frontend's to enforce.
//
// Thread: any; refresh() on one.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "shared/access/token_list.h"
#include "shared/base/result.h"

namespace answermill::grpc_bridge {

class Gate {
 public:
  // Both may be empty. Without any token of either kind whatever is offered goes on to the frontend.
  Gate(std::string token, const std::string& tokens_file);

  // Errors: those of a file that cannot be read, or is there no more; what was read last stays in force.
  Status refresh();

  // `offered` is the metadata's "Bearer TOKEN", or empty. The header to show the frontend; nullopt: not let
  // in.
  std::optional<std::string> admit(std::string_view offered) const;

  bool has_tokens() const;

 private:
  std::string token_;
  std::optional<access::TokenFile> file_;
  mutable std::mutex mutex_;
  std::shared_ptr<const access::TokenList> list_;  // guarded by mutex_; null: there is no file
};

}  // namespace answermill::grpc_bridge
