// QLinearSoftmax of bytes: e of every distance from the largest byte of a lane lies in a table, Σ is added in binary32 and in
// order, the quotient taken in binary64 and rounded to even. A lane of more than 256 elements looks its results up as well.
#include <cmath>

#include "kernels/elementwise.h"

namespace unskew {

namespace {

constexpr int64_t kDistances = 256;

struct Quotient {
  const float* table;
  double steps;
  float sum;
  int32_t zero_point;

  template <class T>
  T at(int64_t distance) const {
    constexpr double kLow = std::numeric_limits<T>::min(), kHigh = std::numeric_limits<T>::max();
    const double value =
        std::nearbyint(static_cast<double>(table[distance]) * steps / static_cast<double>(sum)) + zero_point;
    return static_cast<T>(value >= kLow ? std::min(value, kHigh) : kLow);  // NaN is the least
  }
};

template <class T>
void lane(const T* source, int64_t stride, T* destination, int64_t length, Quotient quotient) {
  int32_t largest = std::numeric_limits<T>::min();
  for (int64_t i = 0; i < length; i++) largest = std::max<int32_t>(largest, source[i * stride]);
  for (int64_t i = 0; i < length; i++) quotient.sum += quotient.table[largest - source[i * stride]];
  if (length <= kDistances) {
    for (int64_t i = 0; i < length; i++) destination[i * stride] = quotient.at<T>(largest - source[i * stride]);
    return;
  }
  T results[kDistances];
  for (int64_t distance = 0; distance < kDistances; distance++) results[distance] = quotient.at<T>(distance);
  for (int64_t i = 0; i < length; i++) destination[i * stride] = results[largest - source[i * stride]];
}

template <class T>
KernelProgram make_program(const QLinearSoftmaxParams& p, const KernelTarget& target) {
  const int64_t bytes = checked_product(p.outer, p.length, p.inner);
  KernelProgram program;
  program.arguments = {{.name = "source", .bytes = bytes, .in_place = true},
                       {.name = "table", .bytes = kDistances * 4, .alignment = 4},
                       {.name = "destination", .bytes = bytes, .access = Access::write}};
  program.run = [=, threads = target.threads](Addresses a) {
    const auto* source = reinterpret_cast<const T*>(a[0]);
    const Quotient quotient{reinterpret_cast<const float*>(a[1]), p.steps, 0.0f, p.zero_point};
    auto* destination = reinterpret_cast<T*>(a[2]);
    parallel(threads, p.outer * p.inner, p.length * 8, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; i++) {
        const int64_t at = i / p.inner * p.length * p.inner + i % p.inner;
        lane(source + at, p.inner, destination + at, p.length, quotient);
      }
    });
  };
  return program;
}

}  // namespace

KernelProgram make_qlinear_softmax(const QLinearSoftmaxParams& p, const KernelTarget& target) {
  return p.type == ByteType::u8 ? make_program<uint8_t>(p, target) : make_program<int8_t>(p, target);
}

}  // namespace unskew
