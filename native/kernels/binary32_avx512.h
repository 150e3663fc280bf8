// The functions of binary32_functions.h on registers of AVX-512: several of them side by side, since the steps of one wait for each other.
// For .cc files only.
#pragma once

#include <cstddef>

#include "cpu_features.h"
#include "kernels/intrinsics.h"

namespace unskew::binary32_avx512 {

#define UNSKEW_STEP [[gnu::always_inline]] UNSKEW_AVX512 inline

template <int kRegisters>
struct Floats {
  static constexpr int kCount = 16 * kRegisters;
  __m512 v[kRegisters];

  Floats() = default;
  UNSKEW_STEP Floats(float x) {
    for (int i = 0; i < kRegisters; i++) v[i] = _mm512_set1_ps(x);
  }
};

// `value` for each register of `from`, at i.
#define UNSKEW_REGISTERS(value)                       \
  Floats<kRegisters> result;                          \
  for (int i = 0; i < kRegisters; i++) result.v[i] = value; \
  return result

#define UNSKEW_OPERATOR(symbol, intrinsic)                                                        \
  template <int kRegisters>                                                                       \
  UNSKEW_STEP Floats<kRegisters> operator symbol(Floats<kRegisters> a, Floats<kRegisters> b) {    \
    UNSKEW_REGISTERS(intrinsic(a.v[i], b.v[i]));                                                  \
  }
UNSKEW_OPERATOR(+, _mm512_add_ps)
UNSKEW_OPERATOR(-, _mm512_sub_ps)
UNSKEW_OPERATOR(*, _mm512_mul_ps)
UNSKEW_OPERATOR(/, _mm512_div_ps)
#undef UNSKEW_OPERATOR

template <int kRegisters>
UNSKEW_STEP Floats<kRegisters> operator-(Floats<kRegisters> x) {
  UNSKEW_REGISTERS(_mm512_xor_ps(x.v[i], _mm512_set1_ps(-0.0f)));
}
// The second operand is the result where one is NaN.
template <int kRegisters>
UNSKEW_STEP Floats<kRegisters> at_most(Floats<kRegisters> x, float bound) {
  UNSKEW_REGISTERS(_mm512_min_ps(_mm512_set1_ps(bound), x.v[i]));
}
template <int kRegisters>
UNSKEW_STEP Floats<kRegisters> at_least(Floats<kRegisters> x, float bound) {
  UNSKEW_REGISTERS(_mm512_max_ps(_mm512_set1_ps(bound), x.v[i]));
}
template <int kRegisters>
UNSKEW_STEP Floats<kRegisters> absolute(Floats<kRegisters> x) {
  UNSKEW_REGISTERS(_mm512_andnot_ps(_mm512_set1_ps(-0.0f), x.v[i]));
}
template <int kRegisters>
UNSKEW_STEP Floats<kRegisters> with_sign_of(Floats<kRegisters> size, Floats<kRegisters> x) {
  UNSKEW_REGISTERS(_mm512_or_ps(_mm512_andnot_ps(_mm512_set1_ps(-0.0f), size.v[i]), _mm512_and_ps(_mm512_set1_ps(-0.0f), x.v[i])));
}
template <int kRegisters>
UNSKEW_STEP Floats<kRegisters> below(Floats<kRegisters> x, float bound, Floats<kRegisters> a, Floats<kRegisters> b) {
  UNSKEW_REGISTERS(_mm512_mask_blend_ps(_mm512_cmp_ps_mask(x.v[i], _mm512_set1_ps(bound), _CMP_LT_OQ), b.v[i], a.v[i]));
}
template <int kRegisters>
UNSKEW_STEP Floats<kRegisters> scaled(Floats<kRegisters> value, Floats<kRegisters> shifted) {
  UNSKEW_REGISTERS(_mm512_scalef_ps(value.v[i], _mm512_sub_ps(shifted.v[i], _mm512_set1_ps(0x1.8p23f))));
}
#undef UNSKEW_REGISTERS

#include "kernels/binary32_steps.h"

// The first 16 elements, of which `count` exist; others are 0.
UNSKEW_STEP __mmask16 some_of(int64_t count) {
  return static_cast<__mmask16>(count >= 16 ? 0xffff : (1 << count) - 1);
}

// body(numbers, where they begin, the mask of those that exist) for all elements: four registers as long as these are filled, then one by
// one.
template <class Body>
UNSKEW_STEP void for_floats(const float* from, int64_t count, const Body& body) {
  int64_t at = 0;
  for (; at + 64 <= count; at += 64) {
    Floats<4> x;
    for (int i = 0; i < 4; i++) x.v[i] = _mm512_loadu_ps(from + at + 16 * i);
    body(x, at, static_cast<__mmask16>(0xffff));
  }
  for (; at < count; at += 16) {
    const __mmask16 mask = some_of(count - at);
    Floats<1> x;
    x.v[0] = _mm512_maskz_loadu_ps(mask, from + at);
    body(x, at, mask);
  }
}

template <int kRegisters>
UNSKEW_STEP void store(Floats<kRegisters> x, float* to, __mmask16 mask) {
  if constexpr (kRegisters == 1) _mm512_mask_storeu_ps(to, mask, x.v[0]);
  else
    for (int i = 0; i < kRegisters; i++) _mm512_storeu_ps(to + 16 * i, x.v[i]);
}

#undef UNSKEW_STEP

}  // namespace unskew::binary32_avx512
