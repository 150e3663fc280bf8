// Sums of products of bytes in registers.
#pragma once

#include <cstdint>
#include <type_traits>

#include "cpu_features.h"
#include "kernels/intrinsics.h"

namespace unskew {

// acc += x · w in place: with intrinsics GCC 12 moves accumulators between registers in some loops.
[[gnu::always_inline]] UNSKEW_AVX512 inline void add_products(__m512i& acc, __m512i x, __m512i w) {
  asm("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(x), "v"(w));
}
// The weights, read from memory: 28 accumulators leave no register for the fourth vector.
[[gnu::always_inline]] UNSKEW_AVX512 inline void add_from_memory(__m512i& acc, __m512i x, const __m512i* w) {
  asm("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(x), "m"(*w));
}

// The four bytes at base + kScale · index, in every lane. Written out, because compilers keep an address in a register for each
// index, and there are not so many.
template <int kScale>
[[gnu::always_inline]] UNSKEW_AVX512 inline __m512i four_bytes(const uint8_t* base, int64_t index) {
  __m512i x;
  asm("vpbroadcastd (%1,%2,%c3), %0" : "=v"(x) : "r"(base), "r"(index), "i"(kScale));
  return x;
}

// body(0), …, body(kCount − 1), with indices the compiler knows, so that arrays of accumulators stay in registers.
template <int kCount, class Body>
[[gnu::always_inline]] UNSKEW_AVX512 inline void repeat(const Body& body) {
  if constexpr (kCount > 0) {
    repeat<kCount - 1>(body);
    body(std::integral_constant<int, kCount - 1>());
  }
}
#define UNSKEW_BODY UNSKEW_AVX512 __attribute__((always_inline))

}  // namespace unskew
