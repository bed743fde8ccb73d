// What a worker and its sandboxed parser say to each other over one socket: fixed headers in host order (both
// run on one host from one program). The parser is not trusted: every field it sends is checked.
#pragma once

#include <cstdint>

namespace answermill::extract {

// Worker → parser: give me this page. Pages count from 1.
struct PageRequest {
  std::uint32_t page = 0;
};

// Parser → worker: one kOpened, kLocked or kUnreadable first; then one kText or kBadPage for each request.
enum class ReplyKind : std::uint32_t {
  kOpened = 1,      // number: pages of the document
  kLocked = 2,      // it needs a password
  kUnreadable = 3,  // no parser can open it
  kText = 4,        // number: the page; `length` bytes of UTF-8 follow
  kBadPage = 5,     // number: the page, which cannot be loaded
};

struct ReplyHeader {
  ReplyKind kind = ReplyKind::kUnreadable;
  std::uint32_t number = 0;
  std::uint32_t length = 0;
};

inline constexpr std::uint32_t kMaxReplyBytes = 16U << 20U;

// A parser that ran out of memory in a way it noticed leaves with this code.
inline constexpr int kExitOutOfMemory = 66;

}  // namespace answermill::extract
