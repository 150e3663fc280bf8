// Exponential, sigmoid, tanh, error function and GELU in binary32, the twins of src/numerics/binary32_functions.ts: the same steps in
// the same order, each rounded to binary32 and none fused, so that both give the same bits. The reasons for the steps stand there.
//
// The functions are without branches, so that loops over them are vectorized.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "kernels/polynomial.h"

namespace unskew::binary32 {

UNSKEW_INLINE float at_most(float x, float bound) { return x > bound ? bound : x; }

// e^(head + rest) = fraction·2^k, and k as 1.5·2^23 + k.
struct Exponential {
  float fraction, shifted;

  // 2^k·value, rounded once: the first product is exact.
  UNSKEW_INLINE float scaled(float value) const {
    const uint32_t bits = std::bit_cast<uint32_t>(shifted) - 0x4b400000;
    const uint32_t half = static_cast<uint32_t>(static_cast<int32_t>(bits) >> 1);
    return value * std::bit_cast<float>((half + 127) << 23) * std::bit_cast<float>((bits - half + 127) << 23);
  }
  UNSKEW_INLINE float value() const { return scaled(fraction); }
};

UNSKEW_INLINE Exponential exponential_of(float head, float rest) {
  constexpr float kRound = 0x1.8p23f, kLog2E = 1.442695f, kLn2High = 0.693145751953125f, kLn2Low = 1.4286068e-6f;
  constexpr float kTerms[] = {0.0013820321f, 0.008369828f, 0.041668303f, 0.16666512f, 0.49999994f};
  const float shifted = head * kLog2E + kRound, k = shifted - kRound;
  const float r = head - k * kLn2High - k * kLn2Low + rest;
  return {1 + (r + r * r * polynomial(r, kTerms)), shifted};
}

UNSKEW_INLINE float exp(float x) {
  const float raised = x < -104.0f ? -104.0f : x;
  return exponential_of(at_most(raised, 89), 0).value();
}

UNSKEW_INLINE float sigmoid(float x) {
  const float power = exponential_of(-at_most(std::fabs(x), 104), 0).value();
  return (x >= 0 ? 1 : power) / (1 + power);
}

UNSKEW_INLINE float tanh(float x) {
  constexpr float kTerms[] = {-0.0058979667f, 0.020798625f, -0.053784717f, 0.13331936f, -0.333333f};
  const float a = at_most(std::fabs(x), 10), z = a * a;
  const float near = a + a * z * polynomial(z, kTerms);
  const float far = 1 - 2 / (1 + exponential_of(2 * a, 0).value());
  return std::copysign(a < 0.6f ? near : far, x);
}

UNSKEW_INLINE float erf(float x) {
  constexpr float kNear[] = {7.9431e-5f,  -0.0008039753f, 0.005191753f, -0.02685556f,
                             0.11283624f, -0.3761263f,    0.12837917f};
  constexpr float kFar[] = {0.00019821973f, -0.0030654836f, 0.022315178f,    -0.104113616f,
                            -0.6369761f,    -1.1277972f,    -0.00016643907f};
  const float a = at_most(std::fabs(x), 4);
  const float near = a + a * polynomial(a * a, kNear);
  const float far = 1 - exponential_of(polynomial(a, kFar), 0).value();
  return std::copysign(a < 0.9f ? near : far, x);
}

UNSKEW_INLINE float gelu(float x) {
  constexpr float kNear[] = {-8.171795e-6f, 0.00011502397f, -0.0011880238f, 0.009974164f, -0.06649054f, 0.3989423f};
  constexpr float kFar[] = {-0.00049162545f, 0.00044477236f, 0.0034810868f, -0.0052174036f,
                            -0.023630986f,   0.115007795f,   -0.254666f,    0.36454186f};
  constexpr float kLast = 14.5f, kRound = 0x1.8p15f;
  const float a = at_most(std::fabs(x), kLast), high = a + kRound - kRound;
  const float near = x * (0.5f + x * polynomial(a * a, kNear));
  const Exponential power = exponential_of(-0.5f * high * high, -0.5f * (a - high) * (a + high));
  const float t = (a - 3) / (a + 3);
  const float tail = power.scaled(power.fraction * polynomial(t, kFar) * (1 + t));
  const float below = x < -kLast ? x * 0 : -tail, far = x < 0 ? below : x - tail;
  return a < 1 ? near : far;
}

UNSKEW_INLINE float gelu_tanh(float x) {
  constexpr float kLast = 12;
  const float a = at_most(std::fabs(x), kLast);
  const double b = a, exact = -1.5957691216057308 * (b + 0.044715 * b * b * b);
  const float head = static_cast<float>(exact), rest = static_cast<float>(exact - head);
  const Exponential power = exponential_of(head, rest);
  const float over = x >= 0 ? x : -power.scaled(power.fraction * a);
  const float value = over / (1 + power.value());
  return x < -kLast ? x * 0 : value;
}

}  // namespace unskew::binary32
