// One open PDF in one sandboxed parser, seen from the worker; and the sessions kept for a document's next
// range.
//
// Thread: a session is used by one thread at a time; SessionPool from any thread.
// Errors: kEncrypted, kDamaged of the document or page; kCrashed, kLimit, kTimeout when the parser died (the
// session is over then, and the message says how it died); kCancelled; kUnavailable when no parser could be
// started.
#pragma once

#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>

#include "shared/base/result.h"
#include "workers/extract/parser_wire.h"
#include "workers/extract/zygote.h"

namespace answermill::extract {

// True when the parser of an error like this is gone, so that a fresh one may do better.
bool is_parser_death(ErrorCode code);

struct SessionLimits {
  // Of processor time, for a page and for opening the document: a busy machine takes nothing from it.
  std::chrono::milliseconds page{30'000};
  std::chrono::milliseconds wait{120'000};  // wall clock
  std::uint32_t pages = 512;                // then a fresh parser takes over
};

class PdfSession {
 public:
  // Asked a few times a second while waiting.
  using Cancelled = std::function<bool()>;

  static Result<std::unique_ptr<PdfSession>> open(Zygote& zygote, int document, const SessionLimits& limits,
                                                  const Cancelled& cancelled);
  ~PdfSession() = default;

  std::uint32_t pages() const { return pages_; }
  // The page's text as the parser gives it: physical layout, not normalised. Blocks up to limits.wait.
  Result<std::string> page(std::uint32_t number, const Cancelled& cancelled);

  bool reusable() const;
  // Of the parser process; 0 when it could not be learned. For logs.
  pid_t pid();

 private:
  PdfSession(Zygote& zygote, ParserHandle handle, const SessionLimits& limits)
      : zygote_(zygote), handle_(std::move(handle)), limits_(limits) {}

  using Deadline = std::chrono::steady_clock::time_point;
  Status read_exactly(void* to, std::size_t size, Deadline deadline, const Cancelled& cancelled);
  Result<ReplyHeader> read_reply(std::string* body, Deadline deadline, const Cancelled& cancelled);
  Error death(ErrorCode fallback);
  void drain_errors();

  Zygote& zygote_;
  ParserHandle handle_;
  SessionLimits limits_;
  std::uint32_t pages_ = 0;
  std::uint32_t served_ = 0;
  std::string doing_;   // "page 12", for messages
  std::string errors_;  // the tail of the parser's stderr
  pid_t pid_ = 0;
  std::chrono::milliseconds processor_before_{};  // used when the present request began
  bool broken_ = false;
};

// Keeps a few parsers open between ranges of the same document, so that fonts and structure are read once.
class SessionPool {
 public:
  explicit SessionPool(std::size_t most) : most_(most) {}

  // nullptr when none is kept for this document.
  std::unique_ptr<PdfSession> take(const std::string& blob);
  void give(const std::string& blob, std::unique_ptr<PdfSession> session);

 private:
  struct Idle {
    std::string blob;
    std::unique_ptr<PdfSession> session;
  };
  std::size_t most_;
  std::mutex mutex_;
  std::list<Idle> idle_;  // guarded by mutex_; oldest first
};

}  // namespace answermill::extract
