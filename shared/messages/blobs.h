// worker DEALER ↔ broker ROUTER, on an endpoint of its own: the bytes of blobs, chunk by chunk.
//
// Each ask is the credit for one chunk: the asker keeps a few under way and asks for the next when one has
// arrived, so nothing is sent that it has no room for. Offsets make every message repeatable: what was lost
// in a cut is asked for again, by whoever has the beginning already.
//
// Units: offsets and sizes in bytes.
#pragma once

#include <cstdint>
#include <string>
#include <tuple>

#include "shared/base/error.h"

namespace answermill::messages {

inline constexpr std::uint32_t kBlobChunkBytes = 256U << 10U;

enum class BlobKind : std::uint8_t {
  // worker → broker
  kAsk = 1,
  kStop = 2,
  // broker → worker
  kChunk = 16,
  kRefused = 17,
};

struct BlobAsk {
  std::uint64_t transfer = 0;  // the asker's number, echoed
  std::string hash;
  std::uint64_t offset = 0;
  std::uint32_t length = 0;  // 1 to kBlobChunkBytes

  auto tie() { return std::tie(transfer, hash, offset, length); }
};

// Nothing more of this transfer is wanted.
struct BlobStop {
  std::uint64_t transfer = 0;

  auto tie() { return std::tie(transfer); }
};

// The bytes follow in a frame of their own: as many as were asked for, or up to the end. None at or beyond
// the end.
struct BlobChunk {
  std::uint64_t transfer = 0;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;  // of the whole blob

  auto tie() { return std::tie(transfer, offset, size); }
};

struct BlobRefused {
  std::uint64_t transfer = 0;
  ErrorCode code = ErrorCode::kInternal;
  std::string message;

  auto tie() { return std::tie(transfer, code, message); }
};

}  // namespace answermill::messages
