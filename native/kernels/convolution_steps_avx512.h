// Parts of the AVX-512 convolution that know nothing of a plan. For the .cc file only.
#pragma once

#include "kernels/accumulate_vnni.h"
#include "kernels/convolution.h"

namespace unskew {

// Output positions that are computed together: 7 · 4 accumulators leave four of the 32 registers, and 7 divides the
// sizes of most networks (7, 14, 28, 56, 112).
inline constexpr int kPositions = 7;
static_assert(kPositions <= kStepLimit);

// Four bytes of a source, in every lane; of s8 as s8 + 128.
template <bool kSigned>
[[gnu::always_inline]] UNSKEW_AVX512 inline __m512i broadcast_four(const uint8_t* from) {
  int32_t four;
  std::memcpy(&four, from, 4);
  const __m512i x = _mm512_set1_epi32(four);
  return kSigned ? _mm512_xor_si512(x, _mm512_set1_epi8(static_cast<char>(128))) : x;
}

// acc += x · w for seven positions, `step` apart, of one vector of channels.
template <bool kSigned>
[[gnu::always_inline]] UNSKEW_AVX512 inline void add_step(const uint8_t* from, int64_t step, int64_t thrice,
                                                                 int64_t five_times, __m512i w, __m512i (&acc)[kPositions][1]) {
  const auto add = [&](auto k, __m512i x) UNSKEW_BODY {
    add_products(acc[k][0], kSigned ? _mm512_xor_si512(x, _mm512_set1_epi8(static_cast<char>(128))) : x, w);
  };
  static_assert(kPositions == 7);
  add(0, four_bytes<1>(from, 0));
  add(1, four_bytes<1>(from, step));
  add(2, four_bytes<2>(from, step));
  add(3, four_bytes<1>(from, thrice));
  add(4, four_bytes<4>(from, step));
  add(5, four_bytes<1>(from, five_times));
  add(6, four_bytes<2>(from, thrice));
}

// The same for one position and `bytes` bytes of it, a multiple of four, in two chains: sums of one would wait for themselves.
template <int kVectors, bool kSigned>
[[gnu::always_inline]] UNSKEW_AVX512 inline void add_row(const uint8_t* from, int64_t bytes, const __m512i* weights,
                                                         __m512i (&acc)[kVectors]) {
  __m512i more[kVectors];
  repeat<kVectors>([&](auto v) UNSKEW_BODY { more[v] = _mm512_setzero_si512(); });
  int64_t c = 0;
  for (; c + 8 <= bytes; c += 8, weights += 2 * kVectors) {
    const __m512i x = broadcast_four<kSigned>(from + c), y = broadcast_four<kSigned>(from + c + 4);
    repeat<kVectors>([&](auto v) UNSKEW_BODY { add_products(acc[v], x, _mm512_load_si512(weights + v)); });
    repeat<kVectors>([&](auto v) UNSKEW_BODY { add_products(more[v], y, _mm512_load_si512(weights + kVectors + v)); });
  }
  if (c < bytes) {
    const __m512i x = broadcast_four<kSigned>(from + c);
    repeat<kVectors>([&](auto v) UNSKEW_BODY { add_products(acc[v], x, _mm512_load_si512(weights + v)); });
  }
  repeat<kVectors>([&](auto v) UNSKEW_BODY { acc[v] = _mm512_add_epi32(acc[v], more[v]); });
}

}  // namespace unskew
