// Inner product of two float32 vectors, as wide as this processor can.
//
// Debian's FAISS is built for the oldest x86-64, where its own is one number at a time. Thread: any.
#pragma once

#include <cstddef>

namespace answermill::index {

float inner_product(const float* a, const float* b, std::size_t count);

}  // namespace answermill::index
