#include "workers/index/inner_product.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace answermill::index {
namespace {

using Kernel = float (*)(const float*, const float*, std::size_t);

// Several sums side by side: one would wait for its own last addition.
float product_anywhere(const float* a, const float* b, std::size_t count) {
  constexpr std::size_t kSums = 8;
  float sums[kSums] = {};
  std::size_t i = 0;
  for (; i + kSums <= count; i += kSums) {
    for (std::size_t j = 0; j < kSums; ++j) sums[j] += a[i + j] * b[i + j];
  }
  float total = 0;
  for (const float sum : sums) total += sum;
  for (; i < count; ++i) total += a[i] * b[i];
  return total;
}

#if defined(__x86_64__)

__attribute__((target("avx2,fma"))) float product_avx2(const float* a, const float* b, std::size_t count) {
  constexpr std::size_t kWidth = 8;
  __m256 first = _mm256_setzero_ps();
  __m256 second = _mm256_setzero_ps();
  std::size_t i = 0;
  for (; i + 2 * kWidth <= count; i += 2 * kWidth) {
    first = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), first);
    second = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + kWidth), _mm256_loadu_ps(b + i + kWidth), second);
  }
  float sums[kWidth];
  _mm256_storeu_ps(sums, _mm256_add_ps(first, second));
  float total = 0;
  for (const float sum : sums) total += sum;
  for (; i < count; ++i) total += a[i] * b[i];
  return total;
}

__attribute__((target("avx512f"))) float product_avx512(const float* a, const float* b, std::size_t count) {
  constexpr std::size_t kWidth = 16;
  __m512 first = _mm512_setzero_ps();
  __m512 second = _mm512_setzero_ps();
  std::size_t i = 0;
  for (; i + 2 * kWidth <= count; i += 2 * kWidth) {
    first = _mm512_fmadd_ps(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i), first);
    second = _mm512_fmadd_ps(_mm512_loadu_ps(a + i + kWidth), _mm512_loadu_ps(b + i + kWidth), second);
  }
  float sums[kWidth];
  _mm512_storeu_ps(sums, _mm512_add_ps(first, second));
  float total = 0;
  for (const float sum : sums) total += sum;
  for (; i < count; ++i) total += a[i] * b[i];
  return total;
}

#endif

Kernel widest() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") != 0) return product_avx512;
  if (__builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0) return product_avx2;
#endif
  return product_anywhere;
}

}  // namespace

float inner_product(const float* a, const float* b, std::size_t count) {
  static const Kernel kKernel = widest();
  return kKernel(a, b, count);
}

}  // namespace answermill::index
