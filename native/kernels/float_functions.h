// Float functions, the twins of src/numerics/float_functions.ts and the files that it imports: the same steps in the same order, in
// binary64 without fused multiply-add, so that both give the same bits. The reasons for the steps stand there. Functions whose steps
// are binary32 are in binary32_functions.h.
//
// The functions are without branches, so that loops over them are vectorized; those of 64 in their name take and give binary64.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "kernels/polynomial.h"

namespace unskew::functions {

inline constexpr double kRound = 0x1.8p52;  // added and taken away again: rounds to an integer below 2^51
inline constexpr double kLog2E = 1.4426950408889634, kLn2 = 0.6931471805599453;
inline constexpr double kLn2High = 0.6931471805592082, kLn2Low = 7.371002565167799e-13;
inline constexpr double kInfinity = std::numeric_limits<double>::infinity();
inline constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// An integer k (|k| < 1023) as kRound + k, and the power 2^k.
UNSKEW_INLINE double power_of_two(double shifted) {
  return std::bit_cast<double>((std::bit_cast<uint64_t>(shifted) + 1023) << 52);
}

UNSKEW_INLINE double expm1_reduced(double r) {
  constexpr double kTerms[] = {
      2.5161508636970112e-8, 2.762822080635885e-7, 2.755711652378329e-6, 2.480149977625665e-5, 0.00019841269987253506,
      0.0013888888936160746, 0.008333333333293108, 0.04166666666656247,  0.16666666666666696,  0.5000000000000007};
  return r + r * r * polynomial(r, kTerms);
}

inline constexpr double kLeast = -708, kGreatest = 709;

UNSKEW_INLINE double exp64(double x) {
  const double raised = x < kLeast ? kLeast : x, inside = raised > kGreatest ? kGreatest : raised;
  const double shifted = inside * kLog2E + kRound, k = shifted - kRound;
  const double r = inside - k * kLn2High - k * kLn2Low;
  const double value = power_of_two(shifted) * (1 + expm1_reduced(r));
  const double above = x > kGreatest ? kInfinity : value;
  return x < kLeast ? 0 : above;
}

UNSKEW_INLINE double exp_minus_one64(double x) {
  const double raised = x < kLeast ? kLeast : x, inside = raised > kGreatest ? kGreatest : raised;
  const double shifted = inside * kLog2E + kRound, k = shifted - kRound;
  const double r = inside - k * kLn2High - k * kLn2Low;
  const double power = power_of_two(shifted);
  const double value = power * expm1_reduced(r) + (power - 1);
  return x > kGreatest ? kInfinity : value;
}

struct Logarithm {
  double exponent, of_fraction;
};

UNSKEW_INLINE Logarithm logarithm_of(double x) {
  constexpr double kTerms[] = {0.1479626592060378,  0.15314020694799024, 0.18183565422844697, 0.22222198553461675,
                               0.28571428742566374, 0.3999999999941393,  0.6666666666666734};
  constexpr uint64_t kRootHalf = 0x3fe6a09e00000000, kOne = 0x3ff0000000000000;
  const uint64_t bits = std::bit_cast<uint64_t>(x);
  const uint64_t biased = (bits + (kOne - kRootHalf)) >> 52;  // the exponent + 1023
  const double exponent = std::bit_cast<double>(biased | 0x4330000000000000) - (0x1p52 + 1023);
  const double m = std::bit_cast<double>(bits + kOne - (biased << 52));
  const double s = (m - 1) / (m + 1), z = s * s;
  return {exponent, s + s + s * z * polynomial(z, kTerms)};
}

UNSKEW_INLINE double log64(double x) {
  const bool is_subnormal = x < 0x1p-1022;
  const Logarithm parts = logarithm_of(is_subnormal ? x * 0x1p54 : x);
  const double exponent = parts.exponent - (is_subnormal ? 54.0 : 0.0);
  const double value = exponent * kLn2High + (parts.of_fraction + exponent * kLn2Low);
  const double positive = x == kInfinity ? x : value;
  const double other = x == 0 ? -kInfinity : kNan;
  return x > 0 ? positive : other;
}

UNSKEW_INLINE double log_one_plus64(double x) {
  const double sum = 1 + x;
  return log64(sum) + (x - (sum - 1)) / sum;
}

// ---- sine and cosine

inline constexpr double kFar = 0x1p20;

struct Quadrant {
  double number, rest;  // modulo 4
};

UNSKEW_INLINE double modulo4(double x) { return x - 4 * std::floor(x * 0.25); }

UNSKEW_INLINE Quadrant reduce_near(double x) {
  const double k = x * 0.6366197723675814 + kRound - kRound;
  return {modulo4(k), x - k * 1.5707963267341256 - k * 6.077100506303966e-11 - k * 2.0222662487959506e-21};
}

// |x| ≥ 2^20, NaN and infinities.
inline Quadrant reduce_far(double x) {
  static constexpr double kDigits[] = {10680707, 7228996, 1387004, 2578385,  16069853,
                                       12639074, 9804092, 4427841, 16666979, 11263675};
  const double a = std::fabs(x);
  if (!(a < kInfinity)) return {0, kNan};
  double m = a;
  int e = 0;
  while (m >= 0x1p24) {
    m *= 0.5;
    e++;
  }
  while (m < 0x1p23) {
    m *= 2;
    e--;
  }
  int j = 0;
  while (e - 24 * (j + 1) >= 2) j++;
  const auto term = [&](int at) { return std::ldexp(m * kDigits[at], e - 24 * (at + 1)); };
  const double high = modulo4(term(j)) + modulo4(term(j + 1));
  const double next = term(j + 2);
  const double sum = high + next;
  const double lost = sum - high;
  const double low = high - (sum - lost) + (next - lost);
  const double k = sum + kRound - kRound;
  const double fraction = sum - k + (low + (term(j + 3) + (term(j + 4) + term(j + 5))));
  return {x < 0 ? modulo4(-k) : modulo4(k), (x < 0 ? -fraction : fraction) * 1.5707963267948966};
}

UNSKEW_INLINE double in_quadrant(const Quadrant& reduced, double ahead) {
  constexpr double kSine[] = {1.5896795581605703e-10, -2.505075811541566e-8, 2.7557313691937977e-6,
                              -0.0001984126982980798, 0.008333333333322415,  -0.16666666666666632};
  constexpr double kCosine[] = {-1.1359647299908761e-11, 2.0875723264407054e-9,  -2.7557314352277083e-7,
                                2.4801587289482035e-5,   -0.0013888888888874125, 0.0416666666666666};
  const double quadrant = modulo4(reduced.number + ahead), r = reduced.rest, z = r * r;
  const double sine = r + r * z * polynomial(z, kSine);
  const double cosine = 1 - 0.5 * z + z * z * polynomial(z, kCosine);
  const bool is_odd = (quadrant == 1) | (quadrant == 3);
  const double value = is_odd ? cosine : sine;
  return quadrant >= 2 ? -value : value;
}

UNSKEW_INLINE bool is_near(double x) { return std::fabs(x) < kFar; }

// Of |x| < 2^20; the others are replaced by `sine_far`.
UNSKEW_INLINE float sine_near(float x) {
  const double value = in_quadrant(reduce_near(x), 0);
  return static_cast<float>(x == 0 ? x : value);
}
UNSKEW_INLINE float cosine_near(float x) { return static_cast<float>(in_quadrant(reduce_near(x), 1)); }
inline float sine_far(float x) { return static_cast<float>(in_quadrant(reduce_far(x), 0)); }
inline float cosine_far(float x) { return static_cast<float>(in_quadrant(reduce_far(x), 1)); }

// ---- powers

// condition ? a : b without a branch: the compiler makes jumps of a chain of conditions on one number.
UNSKEW_INLINE double chosen(bool condition, double a, double b) {
  const uint64_t mask = uint64_t{0} - static_cast<uint64_t>(condition);
  return std::bit_cast<double>((std::bit_cast<uint64_t>(a) & mask) | (std::bit_cast<uint64_t>(b) & ~mask));
}

UNSKEW_INLINE float power(float base, float exponent) {
  const double a = base, b = exponent, x = std::fabs(a);
  const Logarithm parts = logarithm_of(x);
  const double whole = b * parts.exponent, rest = b * (parts.of_fraction * kLog2E), total = whole + rest;
  const double raised = total < -200 ? -200 : total, inside = raised > 200 ? 200 : raised;
  const double shifted = inside + kRound, k = shifted - kRound;
  const double value = power_of_two(shifted) * (1 + expm1_reduced((whole - k + rest) * kLn2));
  const double split = value * 257;
  double size = split - (split - value);
  size = total > 200 ? kInfinity : size;
  size = total < -200 ? 0 : size;
  const double risen = x > 1 ? kInfinity : 0, fallen = x > 1 ? 0 : kInfinity, end = b > 0 ? risen : fallen;
  size = x == 0 ? end : size;
  size = x == kInfinity ? end : size;
  size = std::fabs(b) == kInfinity ? end : size;
  size = x != x ? kNan : size;
  size = b != b ? kNan : size;
  size = chosen(b == 0.5, std::sqrt(x), size);
  size = chosen(b == -1, 1 / x, size);
  size = chosen(b == 3, x * x * x, size);
  size = chosen(b == 2, x * x, size);
  size = chosen(b == 1, x, size);
  size = chosen(b == 0, 1, size);
  size = chosen(x == 1, 1, size);
  const double odd = std::floor(b / 2) * 2 == b ? size : -size;
  const double of_finite = a < 0 ? kNan : size, without_root = a == -kInfinity ? size : of_finite;
  const double of_negative = std::floor(b) == b ? odd : without_root;
  const double signed_size = std::copysign(1.0, a) < 0 ? of_negative : size;
  return static_cast<float>(a == a ? signed_size : size);
}

// ---- functions of binary32

UNSKEW_INLINE float logarithm(float x) { return static_cast<float>(log64(x)); }
UNSKEW_INLINE float softsign(float value) {
  const double x = value;
  return static_cast<float>(x / (1 + (x < 0 ? -x : x)));
}

UNSKEW_INLINE float softplus(float value) {
  const double x = value;
  return static_cast<float>((x < 0 ? 0 : x) + log_one_plus64(exp64(x < 0 ? x : -x)));
}

UNSKEW_INLINE float mish(float value) {
  const double x = value, power = exp64(x > 40 ? 40 : x), n = power * (power + 2);
  return static_cast<float>(x * (n / (n + 2)));
}

UNSKEW_INLINE float elu(float x, float alpha) {
  const float below = static_cast<float>(alpha * exp_minus_one64(x));
  return x >= 0 ? x : below;
}

UNSKEW_INLINE float selu(float value, float alpha, float gamma) {
  const double x = value, below = alpha * exp_minus_one64(x);
  return static_cast<float>(gamma * (x > 0 ? x : below));
}

UNSKEW_INLINE float celu(float value, float alpha) {
  const double x = value, below = alpha * exp_minus_one64(x / alpha);
  return static_cast<float>((x > 0 ? x : 0) + (below >= 0 ? 0 : below));
}

// max(0, min(1, α·x + β)), rounded after every step.
UNSKEW_INLINE float hard_sigmoid(float x, float alpha, float beta) {
  const float product = alpha * x, sum = product + beta, raised = sum < 0 ? 0 : sum;
  return raised > 1 ? 1 : raised;
}

UNSKEW_INLINE float hard_swish(float x) { return x * hard_sigmoid(x, 1.0f / 6, 0.5f); }

}  // namespace unskew::functions
