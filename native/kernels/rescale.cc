// Requantization from s32 or s64 to s32: results that 8 bits do not hold, and sums that 32 do not.
#include "kernels/rounding.h"

namespace unskew {

namespace {

// multiplyWide of src/numerics/tflite.ts, which has the formula: x·r is taken in two halves that binary64 holds.
struct Wide {
  double low, high, zero_point;
  UNSKEW_INLINE explicit Wide(const End& end) : low(end.low), high(end.high), zero_point(end.after) {}
  template <class Sum>
  UNSKEW_INLINE int32_t operator()(Sum v, const Factors& f, int64_t c) const {
    constexpr double kHalf = 65536;
    const double x = static_cast<double>(v), r = f.factor[c], divisor = f.divisor[c];
    const double high_part = std::floor(x / kHalf), high_product = high_part * r;
    const double low_product = (x - high_part * kHalf) * r + divisor / 2;
    const double step = divisor / kHalf, quotient = std::floor(high_product / step);
    const double rest = high_product - quotient * step;
    const double many = quotient + std::floor((rest * kHalf + low_product) / divisor);
    const double few = high_product * (kHalf / divisor) + std::floor(low_product / divisor);
    return static_cast<int32_t>(clamp_real(divisor < kHalf ? few : many, low, high) + zero_point);
  }
};

// kVector: factors run along; else one of each.
template <class Source, class Recipe, bool kVector>
struct Rescale {
  UNSKEW_INLINE static void run(const Source* source, const Factors& factors, const End& end, int32_t* destination,
                                int64_t count) {
    const Recipe recipe(end);
    const Factors f = factors;
    for (int64_t i = 0; i < count; i++) destination[i] = recipe(source[i], f, kVector ? i : 0);
  }
};

template <class Source, class Recipe>
KernelProgram make_program(const RescaleParams& p, const KernelTarget& target) {
  const ChannelView view(p.outer, p.channels, p.inner);
  const bool fixed = p.arithmetic == Arithmetic::fixed, wide = p.arithmetic == Arithmetic::fixed_wide;
  const int64_t width = fixed ? 4 : 8, bytes = sizeof(Source);
  const End end{0.0, static_cast<double>(int64_t{p.low} - p.zero_point),
                static_cast<double>(int64_t{p.high} - p.zero_point), p.zero_point};
  const auto one = version_of<Rescale<Source, Recipe, false>>(target.isa),
             many = version_of<Rescale<Source, Recipe, true>>(target.isa);
  KernelProgram program;
  program.arguments = {
      {.name = "source", .bytes = checked_product(view.count, bytes), .alignment = bytes, .in_place = bytes == 4},
      {.name = "multiplier", .bytes = checked_product(view.channels, width), .alignment = width},
      {.name = "shift", .bytes = checked_product(view.channels, 4), .alignment = 4, .required = fixed},
      {.name = "divisor", .bytes = checked_product(view.channels, 8), .alignment = 8, .required = wide},
      {.name = "destination", .bytes = checked_product(view.count, 4), .access = Access::write, .alignment = 4}};
  program.run = [=, threads = target.threads](Addresses a) {
    const auto* source = reinterpret_cast<const Source*>(a[0]);
    auto* destination = reinterpret_cast<int32_t*>(a[4]);
    parallel(threads, view.count, 8, 64, [&](int64_t begin, int64_t last, int) {
      for_rows(begin, last, view.row_length, [&](int64_t row, int64_t first, int64_t length) {
        const int64_t at = row * view.row_length + first;
        const int64_t channel = view.by_row ? row % view.channels : first;
        Factors factors{};
        if (fixed) {
          factors.mantissa = reinterpret_cast<const int32_t*>(a[1]) + channel;
          factors.shift = reinterpret_cast<const int32_t*>(a[2]) + channel;
        } else {
          factors.factor = reinterpret_cast<const double*>(a[1]) + channel;
          if (wide) factors.divisor = reinterpret_cast<const double*>(a[3]) + channel;
        }
        (view.by_row ? one : many)(source + at, factors, end, destination + at, length);
      });
    });
  };
  return program;
}

template <class Source>
KernelProgram in_double(const RescaleParams& p, const KernelTarget& target) {
  if (p.arithmetic == Arithmetic::fixed_wide) return make_program<Source, Wide>(p, target);
  switch (p.rounding) {
    case Rounding::half_even: return make_program<Source, InDouble<Rounding::half_even>>(p, target);
    case Rounding::half_up: return make_program<Source, InDouble<Rounding::half_up>>(p, target);
    default: return make_program<Source, InDouble<Rounding::half_away>>(p, target);
  }
}

}  // namespace

KernelProgram make_rescale(const RescaleParams& p, const KernelTarget& target) {
  const auto fits = [&](int32_t bound) {
    const int64_t moved = int64_t{bound} - p.zero_point;
    return moved >= INT32_MIN && moved <= INT32_MAX;
  };
  require(fits(p.low) && fits(p.high), "rescale: low and high without the zero point must be of 32 bits");
  require(p.arithmetic != Arithmetic::fixed || !p.is_wide, "rescale: the arithmetic fixed is one of s32");
  if (p.arithmetic == Arithmetic::fixed) return make_program<int32_t, FixedPoint>(p, target);
  return p.is_wide ? in_double<int64_t>(p, target) : in_double<int32_t>(p, target);
}

}  // namespace unskew
