// The built-in embedding: a text's words, stems, letter groups and neighbouring words, weighted by static
// rules and hashed with a sign into a fixed number of dimensions.
//
// Thread: any. Pure: integers until the final division, so the same text gives the same bits on every
// machine. Source: Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", ICML 2009
#pragma once

#include <cstdint>
#include <string_view>

namespace answermill::embed {

inline constexpr std::uint32_t kHashDimension = 768;
inline constexpr char kHashModel[] = "builtin-hash-v1-768";

// Writes kHashDimension floats of unit length. `text` is valid UTF-8; texts without words get a vector too.
void hash_features(std::string_view text, float* out);

}  // namespace answermill::embed
