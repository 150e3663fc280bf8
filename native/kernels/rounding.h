// Rounds an int32 sum to an 8-bit integer, as each system computes it (src/numerics/requantize.ts has the formulas).
// A recipe is made from the parameters of a whole tensor (`End`), and applied to a sum with the factors of its channel.
#pragma once

#include <algorithm>

#include "kernels/elementwise.h"

namespace unskew {

// The factors of channels; a recipe reads the ones of its arithmetic.
struct Factors {
  const float* multiplier = nullptr;
  const double* factor = nullptr;
  const int32_t* mantissa = nullptr;
  const float* scale = nullptr;
  const float* offset = nullptr;
  const int32_t* shift = nullptr;
  const double* divisor = nullptr;

  Factors from(int64_t channel) const {
    return {multiplier + channel, factor + channel, mantissa + channel,
            scale + channel,      offset + channel, shift + channel,
            divisor + channel};
  }
};

// round(clamp(v + before, low, high)) + after. One of `before` and `after` is the zero point, the other 0, which
// changes
// nothing; `after` is already subtracted from `low` and `high`. Clamping to integers and rounding commute.
struct End {
  double before, low, high;
  int32_t after;
};

inline End end_of(const Requantization& to) {
  const int32_t after = to.zero_point_before ? 0 : to.zero_point;
  return {static_cast<double>(to.zero_point - after), static_cast<double>(to.low - after),
          static_cast<double>(to.high - after), after};
}

template <class Real>
UNSKEW_INLINE Real clamp_real(Real value, Real low, Real high) {
  value = value > low ? value : low;
  return value < high ? value : high;
}

// The nearest integer to a value between −2^22 and 2^22 (2^51 for double), where value − floor(value) is as exact as
// the comparison with one half needs it.
template <Rounding rounding, class Real>
UNSKEW_INLINE int32_t round_real(Real value) {
  if constexpr (rounding == Rounding::half_even) {
    return static_cast<int32_t>(std::rint(value));
  } else {
    const Real magnitude = rounding == Rounding::half_away ? std::fabs(value) : value;
    const Real floor = std::floor(magnitude);
    const Real rounded = magnitude - floor >= Real(0.5) ? floor + Real(1) : floor;
    return static_cast<int32_t>(rounding == Rounding::half_away ? std::copysign(rounded, value) : rounded);
  }
}

// The sum itself.
struct Kept {
  UNSKEW_INLINE explicit Kept(const End&) {}
  UNSKEW_INLINE int32_t operator()(int32_t v, const Factors&, int64_t) const { return v; }
};

// ONNX Runtime: rne(fl(v)·multiplier) + zero point.
struct Plain {
  float low, high;
  int32_t zero_point;
  UNSKEW_INLINE explicit Plain(const End& end)
      : low(static_cast<float>(end.low)), high(static_cast<float>(end.high)), zero_point(end.after) {}
  UNSKEW_INLINE int32_t operator()(int32_t v, const Factors& f, int64_t c) const {
    return requantize_value(v, f.multiplier[c], low, high, zero_point);
  }
};

// fl(fl(fl(fl(v)·scale) + offset)·multiplier); a scale of 1 and an offset of 0 change nothing.
template <Rounding rounding>
struct InFloat {
  float before, low, high;
  int32_t after;
  UNSKEW_INLINE explicit InFloat(const End& end)
      : before(static_cast<float>(end.before)),
        low(static_cast<float>(end.low)),
        high(static_cast<float>(end.high)),
        after(end.after) {}
  UNSKEW_INLINE int32_t operator()(int32_t v, const Factors& f, int64_t c) const {
    float t = static_cast<float>(v) * f.scale[c];
    t = t + f.offset[c];
    t = t * f.multiplier[c];
    return round_real<rounding>(clamp_real(t + before, low, high)) + after;
  }
};

// v·factor in binary64.
template <Rounding rounding>
struct InDouble {
  double before, low, high;
  int32_t after;
  UNSKEW_INLINE explicit InDouble(const End& end)
      : before(end.before), low(end.low), high(end.high), after(end.after) {}
  template <class Sum>
  UNSKEW_INLINE int32_t operator()(Sum v, const Factors& f, int64_t c) const {
    const double t = static_cast<double>(v) * f.factor[c];
    return round_real<rounding>(clamp_real(t + before, low, high)) + after;
  }
};

// gemmlowp: RDivPOT(SRDHM(v·2^left, mantissa), right), v·2^left saturated to int32; halves go up in the product and
// away
// from zero in the shift. Larger shifts give the same results as the limits.
struct FixedPoint {
  int64_t low, high;
  int32_t zero_point;
  UNSKEW_INLINE explicit FixedPoint(const End& end)
      : low(static_cast<int64_t>(end.low)), high(static_cast<int64_t>(end.high)), zero_point(end.after) {}
  UNSKEW_INLINE int32_t operator()(int32_t v, const Factors& f, int64_t c) const {
    const int64_t shift = f.shift[c];
    const int64_t left = std::clamp<int64_t>(shift, 0, 31), right = std::clamp<int64_t>(-shift, 0, 40);
    const int64_t a = std::clamp<int64_t>(int64_t{v} * (int64_t{1} << left), INT32_MIN, INT32_MAX);
    const int64_t product = (a * f.mantissa[c] + (int64_t{1} << 30)) >> 31;
    const int64_t sign = product < 0 ? -1 : 1;
    const int64_t half = (int64_t{1} << right) >> 1;
    const int64_t rounded = sign * ((sign * product + half) >> right);
    return static_cast<int32_t>(std::clamp(rounded, low, high)) + zero_point;
  }
};

}  // namespace unskew
