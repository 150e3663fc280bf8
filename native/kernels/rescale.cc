// Requantization from s32 to s32: results that 8 bits do not hold.
#include "kernels/rounding.h"

namespace unskew {

namespace {

// kVector: factors run along; else one of each.
template <class Recipe, bool kVector>
struct Rescale {
  UNSKEW_INLINE static void run(const int32_t* source, const Factors& factors, const End& end, int32_t* destination,
                                int64_t count) {
    const Recipe recipe(end);
    const Factors f = factors;
    for (int64_t i = 0; i < count; i++) destination[i] = recipe(source[i], f, kVector ? i : 0);
  }
};

template <class Recipe>
KernelProgram make_program(const RescaleParams& p, const KernelTarget& target) {
  const ChannelView view(p.outer, p.channels, p.inner);
  const bool fixed = p.arithmetic == Arithmetic::fixed;
  const int64_t width = fixed ? 4 : 8;
  const End end{0.0, static_cast<double>(int64_t{p.low} - p.zero_point),
                static_cast<double>(int64_t{p.high} - p.zero_point), p.zero_point};
  const auto one = version_of<Rescale<Recipe, false>>(target.isa), many = version_of<Rescale<Recipe, true>>(target.isa);
  KernelProgram program;
  program.arguments = {
      {.name = "source", .bytes = checked_product(view.count, 4), .alignment = 4, .in_place = true},
      {.name = "multiplier", .bytes = checked_product(view.channels, width), .alignment = width},
      {.name = "shift", .bytes = checked_product(view.channels, 4), .alignment = 4, .required = fixed},
      {.name = "destination", .bytes = checked_product(view.count, 4), .access = Access::write, .alignment = 4}};
  program.run = [=, threads = target.threads](Addresses a) {
    const auto* source = reinterpret_cast<const int32_t*>(a[0]);
    auto* destination = reinterpret_cast<int32_t*>(a[3]);
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
        }
        (view.by_row ? one : many)(source + at, factors, end, destination + at, length);
      });
    });
  };
  return program;
}

}  // namespace

KernelProgram make_rescale(const RescaleParams& p, const KernelTarget& target) {
  const auto fits = [&](int32_t bound) {
    const int64_t moved = int64_t{bound} - p.zero_point;
    return moved >= INT32_MIN && moved <= INT32_MAX;
  };
  require(fits(p.low) && fits(p.high), "rescale: low and high without the zero point must be of 32 bits");
  if (p.arithmetic == Arithmetic::fixed) return make_program<FixedPoint>(p, target);
  switch (p.rounding) {
    case Rounding::half_even: return make_program<InDouble<Rounding::half_even>>(p, target);
    case Rounding::half_up: return make_program<InDouble<Rounding::half_up>>(p, target);
    default: return make_program<InDouble<Rounding::half_away>>(p, target);
  }
}

}  // namespace unskew
