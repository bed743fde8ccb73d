// CRC-32C (Castagnoli): finds flipped bits cheaply; no protection against malice.
//
// Thread: any. Source: RFC 3720, appendix B.4
#pragma once

#include <cstdint>
#include <string_view>

namespace answermill {

// `seed` continues a computation: crc32c(b, crc32c(a)) is the sum of a followed by b.
std::uint32_t crc32c(std::string_view bytes, std::uint32_t seed = 0);

}  // namespace answermill
