// Exponential, sigmoid, tanh, error function and GELU in binary32, the twins of src/numerics/binary32_functions.ts: the same steps in
// the same order, each rounded to binary32 and none fused, so that both give the same bits. The reasons for the steps stand there.
//
// The functions are without branches, so that loops over them are vectorized.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "kernels/elementwise.h"

namespace unskew::binary32 {

UNSKEW_INLINE float at_most(float x, float bound) { return x > bound ? bound : x; }
UNSKEW_INLINE float at_least(float x, float bound) { return x < bound ? bound : x; }
UNSKEW_INLINE float absolute(float x) { return std::fabs(x); }
UNSKEW_INLINE float with_sign_of(float size, float x) { return std::copysign(size, x); }
UNSKEW_INLINE float below(float x, float bound, float a, float b) { return x < bound ? a : b; }
// The first product is exact.
UNSKEW_INLINE float scaled(float value, float shifted) {
  const uint32_t bits = std::bit_cast<uint32_t>(shifted) - 0x4b400000;
  const uint32_t half = static_cast<uint32_t>(static_cast<int32_t>(bits) >> 1);
  return value * std::bit_cast<float>((half + 127) << 23) * std::bit_cast<float>((bits - half + 127) << 23);
}

#define UNSKEW_STEP UNSKEW_INLINE
#include "kernels/binary32_steps.h"
#undef UNSKEW_STEP

UNSKEW_INLINE float gelu_tanh(float x) {
  constexpr float kLast = 12;
  const float a = at_most(std::fabs(x), kLast);
  const double b = a, exact = -1.5957691216057308 * (b + 0.044715 * b * b * b);
  const float head = static_cast<float>(exact), rest = static_cast<float>(exact - head);
  const Exponential<float> power = exponential_of(head, rest);
  const float over = x >= 0 ? x : -scaled(power.fraction * a, power.shifted);
  const float value = over / (1 + scaled(power.fraction, power.shifted));
  return x < -kLast ? x * 0 : value;
}

}  // namespace unskew::binary32
