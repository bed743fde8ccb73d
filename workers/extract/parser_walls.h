// The walls around a parser: what a process that was taken over by a hostile document may still ask of the
// kernel.
//
// Two walls, each left out where the kernel has none. System calls (seccomp(2), through libseccomp): reading,
// memory, time, and the sockets it already has; no new process, program, socket or signal to another, no code
// from memory that was written. Everything else fails with EPERM. Files (landlock(7)): beneath the folders of
// fonts and encodings, to read; nothing else can be opened. The document is an open descriptor and needs no
// permission.
//
// Thread: everything from the zygote and its children, which have one. Owns: the filter and the rule set.
#pragma once

#include <memory>

#include "shared/base/unix_fd.h"

namespace answermill::extract {

class ParserWalls {
 public:
  // Prepares both in the zygote, once, so that a parser starts without reading a file. no_new_privs must be
  // set.
  ParserWalls();

  bool limits_calls() const { return filter_ != nullptr; }
  bool limits_files() const { return static_cast<bool>(files_); }

  // In the parser, for the rest of its life; files first, and calls when nothing else is left to prepare.
  // False when a prepared wall does not stand: the parser must not go on.
  bool close_files() const;
  bool close_calls() const;

 private:
  struct Release {
    void operator()(void* filter) const;
  };
  std::unique_ptr<void, Release> filter_;  // libseccomp's scmp_filter_ctx
  UniqueFd files_;                         // a landlock rule set
};

}  // namespace answermill::extract
