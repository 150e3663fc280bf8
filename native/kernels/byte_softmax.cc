// Softmax of bytes: e of every distance from the largest byte of a lane lies in a table, and the end of a lane says the result for
// each e. A longer lane looks its results up as well. src/numerics/qlinear_softmax.ts and tflite_softmax.ts have
// the recipes.
#include <bit>
#include <cmath>

#include "kernels/byte_lookup.h"
#include "kernels/elementwise.h"

namespace unskew {

namespace {

constexpr int64_t kDistances = 256;
constexpr int64_t kFewElements = 64;  // a shorter lane has a result of its own for each of them

// y = sat(rne(e·steps/Σe) + zero point): Σ is added in binary32 and in order, the quotient taken in binary64.
struct QLinearEnd {
  using Params = QLinearSoftmaxParams;
  using Exponential = float;
  double steps, zero_point;
  float sum = 0;

  UNSKEW_INLINE explicit QLinearEnd(const Params& p) : steps(p.steps), zero_point(p.zero_point) {}
  UNSKEW_INLINE static float term(float e) { return e; }
  UNSKEW_INLINE void finish() {}
  template <class T>
  UNSKEW_INLINE T at(float e) const {
    return limited<T>(std::nearbyint(static_cast<double>(e) * steps / static_cast<double>(sum)));
  }
  // The product with 1/Σ is within a few ulps of the quotient, and rounds like it except beside a tie: false where a result may differ.
  // Products of 2^21 and more are above every byte.
  template <class T>
  UNSKEW_INLINE bool by_reciprocal(const float* table, T* results) const {
    const double factor = 1.0 / static_cast<double>(sum);
    constexpr double kNear = 0.5 - 0x1p-30;
    int64_t ties = 0;
    for (int64_t i = 0; i < kDistances; i++) {
      const double product = static_cast<double>(table[i]) * steps * factor;
      const double rounded = std::nearbyint(product);
      ties += std::abs(product - rounded) > kNear ? 1 : 0;
      results[i] = limited<T>(rounded);
    }
    return ties == 0;
  }

 private:
  template <class T>
  UNSKEW_INLINE T limited(double rounded) const {
    constexpr double kLow = std::numeric_limits<T>::min(), kHigh = std::numeric_limits<T>::max();
    const double value = rounded + zero_point;
    return static_cast<T>(static_cast<int32_t>(value >= kLow ? std::min(value, kHigh) : kLow));  // NaN is the least
  }
};

// y = sat(⌊fl(fl(e·fl(1/fl(Σe·scale))) + ½)⌋ + zero point), Σ in order.
struct FloatEnd {
  using Params = FloatByteSoftmaxParams;
  using Exponential = float;
  float scale, sum = 0, reciprocal = 0;
  int32_t zero_point;

  UNSKEW_INLINE explicit FloatEnd(const Params& p) : scale(p.scale), zero_point(p.zero_point) {}
  UNSKEW_INLINE static float term(float e) { return e; }
  UNSKEW_INLINE void finish() { reciprocal = 1.0f / (sum * scale); }
  template <class T>
  UNSKEW_INLINE T at(float e) const {
    const auto low = static_cast<float>(std::numeric_limits<T>::min() - zero_point),
               high = static_cast<float>(std::numeric_limits<T>::max() - zero_point);
    const float steps = std::floor(e * reciprocal + 0.5f);
    return static_cast<T>(static_cast<int32_t>(clamp_float(steps, low, high)) + zero_point);
  }
};

// ⌊(a·b + 2^30)/2^31⌋
UNSKEW_INLINE int64_t high_product(int64_t a, int64_t b) { return (a * b + (int64_t{1} << 30)) >> 31; }
UNSKEW_INLINE int64_t saturated(int64_t x) { return std::clamp<int64_t>(x, INT32_MIN, INT32_MAX); }

// 1/x of x in [1, 2), given x/2, both of Q0.31: three steps of Newton from 48/17 − 32/17·x/2.
UNSKEW_INLINE int64_t reciprocal_of_twice(int64_t half) {
  int64_t y = saturated(1515870810 + high_product(half, -1010580540));
  for (int i = 0; i < 3; i++) {
    const int64_t rest = (int64_t{1} << 29) - high_product(half, y);
    y = saturated(y + saturated(4 * high_product(y, rest)));
  }
  return saturated(2 * y);
}

// e of Q0.31, S = Σ e in Q12.19, R = 1/S = r·2^−(n + 31), n = 12 − (leading zeros of S): y of w bits
// is sat(e·r·2^−(31 + n + 31 − w)), in two roundings.
struct FixedEnd {
  using Params = FixedByteSoftmaxParams;
  using Exponential = uint32_t;
  uint32_t sum = 0;
  uint64_t reciprocal = 0;
  int bits = 0;

  UNSKEW_INLINE explicit FixedEnd(const Params&) {}
  UNSKEW_INLINE static uint32_t term(uint32_t e) { return (e + (1u << 11)) >> 12; }
  UNSKEW_INLINE void finish() {
    const int zeros = std::countl_zero(sum);
    const uint64_t shifted = uint64_t{sum} << zeros;
    reciprocal = static_cast<uint64_t>(reciprocal_of_twice(static_cast<int64_t>(shifted >> 1)));
    bits = std::max(0, 12 - zeros);  // the largest element adds 2^19
  }
  template <class T>
  UNSKEW_INLINE T at(uint32_t e) const {
    const int shift = bits + 31 - static_cast<int>(8 * sizeof(T));
    const uint64_t product = (e * reciprocal + (uint64_t{1} << 30)) >> 31;
    const uint64_t steps = (product + (uint64_t{1} << (shift - 1))) >> shift;
    constexpr uint64_t kMost = (uint64_t{1} << (8 * sizeof(T))) - 1;
    return static_cast<T>(static_cast<int32_t>(std::min(steps, kMost)) + std::numeric_limits<T>::min());
  }
};

// `kCount` lanes side by side, each of whose sums waits for its own additions alone. The elements of a lane lie `step` apart, lanes
// `next` apart; destination and source may be the same.
template <class End, class S, class T, bool kDense, int kCount>
struct Lanes {
  using Exponential = typename End::Exponential;
  UNSKEW_INLINE static void run(const S* source, int64_t step, int64_t next, const Exponential* table,
                                const typename End::Params* params, ByteLookup lookup, T* destination, int64_t length) {
    const int64_t stride = kDense ? 1 : step;
    S largest[kCount];
    for (int lane = 0; lane < kCount; lane++) {
      S most = std::numeric_limits<S>::min();
      for (int64_t i = 0; i < length; i++) most = std::max(most, source[lane * next + i * stride]);
      largest[lane] = most;
    }
    Exponential sums[kCount];
    if constexpr (kCount == 4) {
      Exponential a = 0, b = 0, c = 0, d = 0;  // in registers
      const S *to_a = source, *to_b = source + next, *to_c = to_b + next, *to_d = to_c + next;
      for (int64_t i = 0; i < length; i++) {
        a += End::term(table[largest[0] - to_a[i * stride]]);
        b += End::term(table[largest[1] - to_b[i * stride]]);
        c += End::term(table[largest[2] - to_c[i * stride]]);
        d += End::term(table[largest[3] - to_d[i * stride]]);
      }
      sums[0] = a, sums[1] = b, sums[2] = c, sums[3] = d;
    } else {
      Exponential sum = 0;
      for (int64_t i = 0; i < length; i++) sum += End::term(table[largest[0] - source[i * stride]]);
      sums[0] = sum;
    }
    for (int lane = 0; lane < kCount; lane++) {
      End end(*params);
      end.sum = sums[lane];
      end.finish();
      write(source + lane * next, stride, table, end, largest[lane], lookup, destination + lane * next, length);
    }
  }

 private:
  UNSKEW_INLINE static void write(const S* source, int64_t stride, const Exponential* table, const End& end, S largest,
                                  ByteLookup lookup, T* destination, int64_t length) {
    T results[kDistances];
    if (length < kFewElements) {
      for (int64_t i = 0; i < length; i++) results[i] = end.template at<T>(table[largest - source[i * stride]]);
      for (int64_t i = 0; i < length; i++) destination[i * stride] = results[i];
      return;
    }
    bool done = false;
    if constexpr (std::is_same_v<End, QLinearEnd>) done = end.by_reciprocal(table, results);
    if (!done) {
      for (int64_t distance = 0; distance < kDistances; distance++) results[distance] = end.template at<T>(table[distance]);
    }
    if constexpr (kDense && sizeof(T) == 1) {
      uint8_t distances[kFewElements];
      for (int64_t first = 0; first < length; first += kFewElements) {
        const int64_t count = std::min(kFewElements, length - first);
        for (int64_t i = 0; i < count; i++) distances[i] = static_cast<uint8_t>(largest - source[first + i]);
        lookup(distances, reinterpret_cast<const uint8_t*>(results), reinterpret_cast<uint8_t*>(destination + first),
               count);
      }
    } else {
      for (int64_t i = 0; i < length; i++) destination[i * stride] = results[largest - source[i * stride]];
    }
  }
};

template <class End, class S, class T>
KernelProgram make_program(const typename End::Params& p, const KernelTarget& target) {
  using Exponential = typename End::Exponential;
  const int64_t count = checked_product(p.outer, p.length, p.inner);
  KernelProgram program;
  program.arguments = {{.name = "source", .bytes = count, .in_place = sizeof(T) == sizeof(S)},
                       {.name = "table", .bytes = kDistances * 4, .alignment = 4},
                       {.name = "destination",
                        .bytes = checked_product(count, sizeof(T)),
                        .access = Access::write,
                        .alignment = sizeof(T)}};
  const bool is_dense = p.inner == 1;
  const ByteLookup lookup = byte_lookup(target.isa);
  const auto one = is_dense ? version_of<Lanes<End, S, T, true, 1>>(target.isa)
                            : version_of<Lanes<End, S, T, false, 1>>(target.isa);
  const auto four = is_dense ? version_of<Lanes<End, S, T, true, 4>>(target.isa)
                             : version_of<Lanes<End, S, T, false, 4>>(target.isa);
  program.run = [=, threads = target.threads](Addresses a) {
    const auto* source = reinterpret_cast<const S*>(a[0]);
    const auto* table = reinterpret_cast<const Exponential*>(a[1]);
    auto* destination = reinterpret_cast<T*>(a[2]);
    parallel(threads, p.outer * p.inner, p.length * 8, 1, [&](int64_t begin, int64_t end, int) {
      const int64_t next = is_dense ? p.length : 1;
      for (int64_t i = begin; i < end;) {
        const int64_t at = i / p.inner * p.length * p.inner + i % p.inner;
        const bool are_four = i + 4 <= end && (is_dense || i % p.inner + 4 <= p.inner);
        (are_four ? four : one)(source + at, p.inner, next, table, &p, lookup, destination + at, p.length);
        i += are_four ? 4 : 1;
      }
    });
  };
  return program;
}

template <class End, class S>
KernelProgram make_from(const typename End::Params& p, const KernelTarget& target) {
  if constexpr (!std::is_same_v<End, QLinearEnd>) {
    if (p.wide) return make_program<End, S, int16_t>(p, target);
  }
  return make_program<End, S, S>(p, target);
}

template <class End>
KernelProgram make_for(const typename End::Params& p, const KernelTarget& target) {
  return p.type == ByteType::u8 ? make_from<End, uint8_t>(p, target) : make_from<End, int8_t>(p, target);
}

}  // namespace

KernelProgram make_qlinear_softmax(const QLinearSoftmaxParams& p, const KernelTarget& target) {
  return make_for<QLinearEnd>(p, target);
}

KernelProgram make_float_byte_softmax(const FloatByteSoftmaxParams& p, const KernelTarget& target) {
  return make_for<FloatEnd>(p, target);
}

KernelProgram make_fixed_byte_softmax(const FixedByteSoftmaxParams& p, const KernelTarget& target) {
  require(p.length < 1 << 13, "the sum of a lane must be below 2^32");
  return make_for<FixedEnd>(p, target);
}

}  // namespace unskew
