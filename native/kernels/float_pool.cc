// Pools of floats, channels last. A maximum passes over NaN for any number, averages are summed in binary64.
#include "kernels/elementwise.h"
#include "kernels/taps.h"

namespace unskew {

namespace {

constexpr int64_t kBlock = 64;  // channels whose results are held at once

// maximumNumber of IEEE 754: it begins with NaN, which any element takes the place of.
struct Maximum {
  UNSKEW_INLINE static void run(const float* source, double* results, int64_t count) {
    for (int64_t c = 0; c < count; c++) {
      const double x = source[c];
      const bool is_greater = (x > results[c]) | (results[c] != results[c]);
      results[c] = is_greater ? x : results[c];
    }
  }
};

struct Sum {
  UNSKEW_INLINE static void run(const float* source, double* results, int64_t count) {
    for (int64_t c = 0; c < count; c++) results[c] += static_cast<double>(source[c]);
  }
};

// Taps of a window of an axis that lie in the input or, to be counted, in input and pads.
int64_t counted_taps(const FloatPoolParams& p, const Taps& taps, int axis, int64_t position) {
  if (p.operation != PoolOperation::average_include_padding) return taps.last - taps.first;
  return taps_of(position, p.strides[axis], 0, p.dilations[axis], p.kernel[axis],
                 p.begin[axis] + p.input[axis] + p.end[axis])
      .count();
}

}  // namespace

KernelProgram make_float_pool(const FloatPoolParams& p, const KernelTarget& target) {
  const int64_t input = checked_product(p.input[0], p.input[1], p.input[2]);
  const int64_t output = checked_product(p.output[0], p.output[1], p.output[2]);
  const bool is_maximum = p.operation == PoolOperation::maximum;
  const auto join = is_maximum ? version_of<Maximum>(target.isa) : version_of<Sum>(target.isa);
  KernelProgram program;
  program.arguments = {{.name = "source", .bytes = checked_product(p.batch, input, p.channels, 4), .alignment = 4},
                       {.name = "destination",
                        .bytes = checked_product(p.batch, output, p.channels, 4),
                        .access = Access::write,
                        .alignment = 4}};
  program.run = [=, threads = target.threads](Addresses a) {
    const auto* source = reinterpret_cast<const float*>(a[0]);
    auto* destination = reinterpret_cast<float*>(a[1]);
    const int64_t taps = p.kernel[0] * p.kernel[1] * p.kernel[2];
    parallel(threads, p.batch * output, taps * p.channels * 4, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; i++) {
        const std::array<int64_t, 3> at{i / p.output[2] / p.output[1] % p.output[0], i / p.output[2] % p.output[1],
                                        i % p.output[2]};
        const float* image = source + i / output * input * p.channels;
        std::array<Taps, 3> t;
        int64_t counted = 1, inside = 1;
        for (int axis = 0; axis < 3; axis++) {
          t[axis] = taps_of(at[axis], p.strides[axis], p.begin[axis], p.dilations[axis], p.kernel[axis], p.input[axis]);
          counted *= counted_taps(p, t[axis], axis, at[axis]);
          inside *= t[axis].count();
        }
        const double before_any = !is_maximum ? 0.0 : inside > 0 ? NAN : -HUGE_VAL;
        for (int64_t first = 0; first < p.channels; first += kBlock) {
          const int64_t count = std::min(kBlock, p.channels - first);
          double results[kBlock];
          std::fill_n(results, count, before_any);
          for (int64_t z = t[0].first; z < t[0].last; z++) {
            for (int64_t y = t[1].first; y < t[1].last; y++) {
              for (int64_t x = t[2].first; x < t[2].last; x++) {
                const int64_t position = (t[0].at(z) * p.input[1] + t[1].at(y)) * p.input[2] + t[2].at(x);
                join(image + position * p.channels + first, results, count);
              }
            }
          }
          float* to = destination + i * p.channels + first;
          for (int64_t c = 0; c < count; c++)
            to[c] = static_cast<float>(is_maximum ? results[c] : results[c] / static_cast<double>(counted));
        }
      }
    });
  };
  return program;
}

}  // namespace unskew
