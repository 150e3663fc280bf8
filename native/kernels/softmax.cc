// Softmax in binary64, rounded once. A lane that holds a NaN or +infinity, or nothing but -infinity, is NaN throughout.
#include <bit>

#include "kernels/elementwise.h"

namespace unskew {

namespace {

// e^x for x ≤ 0, with an error below two units of the last place of binary64: e^x = 2^k·e^r, |r| ≤ ln 2 / 2. Below −708
// it stays at e^−708, which no binary32 quotient shows.
UNSKEW_INLINE double exponential(double x) {
  constexpr double kLog2E = 0x1.71547652b82fep+0, kLn2High = 0x1.62e42fee00000p-1, kLn2Low = 0x1.a39ef35793c76p-33;
  constexpr double kShifter = 0x1.8p52;
  x = x > -708.0 ? x : -708.0;
  const double shifted = x * kLog2E + kShifter, k = shifted - kShifter;
  const double r = (x - k * kLn2High) - k * kLn2Low;
  // Σ rⁿ/n!: with |r| < 0.3466 the term n = 14 is below 2^-57.
  constexpr double kTerms[] = {1.0 / 6227020800.0, 1.0 / 479001600.0, 1.0 / 39916800.0, 1.0 / 3628800.0,
                               1.0 / 362880.0,     1.0 / 40320.0,     1.0 / 5040.0,     1.0 / 720.0,
                               1.0 / 120.0,        1.0 / 24.0,        1.0 / 6.0,        0.5};
  double series = kTerms[0];
  for (int n = 1; n < 12; n++) series = series * r + kTerms[n];
  const double mantissa = 1.0 + (r + r * r * series);
  const int64_t exponent = std::bit_cast<int64_t>(shifted) << 52;
  return std::bit_cast<double>(std::bit_cast<int64_t>(mantissa) + exponent);
}

struct Exponentials {
  UNSKEW_INLINE static void run(const float* source, int64_t stride, double maximum, double* results, int64_t count) {
    if (stride == 1) {
      for (int64_t i = 0; i < count; i++) results[i] = exponential(static_cast<double>(source[i]) - maximum);
    } else {
      for (int64_t i = 0; i < count; i++) results[i] = exponential(static_cast<double>(source[i * stride]) - maximum);
    }
  }
};

constexpr int64_t kBlock = 256;

template <class Loop>
void lane(Loop exponentials, const float* source, int64_t stride, float* destination, int64_t length) {
  float maximum = -HUGE_VALF;
  bool has_nan = false;
  for (int64_t i = 0; i < length; i++) {
    const float x = source[i * stride];
    maximum = x > maximum ? x : maximum;
    has_nan |= x != x;
  }
  if (has_nan || std::isinf(maximum)) {
    for (int64_t i = 0; i < length; i++) destination[i * stride] = std::numeric_limits<float>::quiet_NaN();
    return;
  }
  double block[kBlock], sum = 0;
  for (int64_t first = 0; first < length; first += kBlock) {
    const int64_t count = std::min(kBlock, length - first);
    exponentials(source + first * stride, stride, maximum, block, count);
    for (int64_t i = 0; i < count; i++) sum += block[i];
  }
  for (int64_t first = 0; first < length; first += kBlock) {
    const int64_t count = std::min(kBlock, length - first);
    if (length > kBlock) exponentials(source + first * stride, stride, maximum, block, count);
    for (int64_t i = 0; i < count; i++) destination[(first + i) * stride] = static_cast<float>(block[i] / sum);
  }
}

}  // namespace

KernelProgram make_softmax(const SoftmaxParams& p, const KernelTarget& target) {
  const auto exponentials = version_of<Exponentials>(target.isa);
  const int64_t bytes = checked_product(p.outer, p.length, p.inner, 4);
  KernelProgram program;
  program.arguments = {{.name = "source", .bytes = bytes, .alignment = 4, .in_place = true},
                       {.name = "destination", .bytes = bytes, .access = Access::write, .alignment = 4}};
  program.run = [=, threads = target.threads](Addresses a) {
    const auto* source = reinterpret_cast<const float*>(a[0]);
    auto* destination = reinterpret_cast<float*>(a[1]);
    parallel(threads, p.outer * p.inner, p.length * 16, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; i++) {
        const int64_t at = i / p.inner * p.length * p.inner + i % p.inner;
        lane(exponentials, source + at, p.inner, destination + at, p.length);
      }
    });
  };
  return program;
}

}  // namespace unskew
