// Softmax and its logarithm along the middle of [outer, length, inner]: e^x is that of binary32_functions.h, sums of it are binary64
// as in partial_sums.h, and their quotient or logarithm is rounded once. A NaN, +infinity, or nothing but -infinity in a lane makes all of
// it NaN without a test.
#include "kernels/binary32_avx512.h"
#include "kernels/binary32_functions.h"
#include "kernels/float_functions.h"
#include "kernels/partial_sums.h"
#include "kernels/rows.h"

namespace unskew {

namespace {

// A few rows stay in the first cache.
constexpr int64_t kMostRows = 16, kRowElements = 4 * 1024;
// The columns of a block: its exponentials stay in the second cache.
constexpr int64_t kMostColumns = 128, kLeastColumns = 16, kBlockElements = 32 * 1024;

// NaN takes over, and stays.
UNSKEW_INLINE float greater(float most, float x) { return (x > most) | (x != x) ? x : most; }

// The greatest of x, or NaN if any is, over integers that have the order of floats: compilers make vectors of these loops alone.
UNSKEW_INLINE float greatest(const float* x, int64_t count) {
  constexpr int32_t kInfinite = 0x7f800000, kSize = 0x7fffffff;
  int32_t most = INT32_MIN, size = 0;
  for (int64_t i = 0; i < count; i++) {
    const int32_t bits = std::bit_cast<int32_t>(x[i]), key = bits ^ ((bits >> 31) & kSize), without_sign = bits & kSize;
    most = key > most ? key : most;
    size = without_sign > size ? without_sign : size;
  }
  const float value = std::bit_cast<float>(most ^ ((most >> 31) & kSize));
  const float of_lane = count == 0 ? -HUGE_VALF : value;
  return size > kInfinite ? std::numeric_limits<float>::quiet_NaN() : of_lane;
}

// to[i] = e^(x[i] − most), and the sum of all; `to` may be x.
using SumPowers = void (*)(const float* x, float most, int64_t count, float* to, double* sum);

struct Lanes {
  SumPowers sum_powers;
  SoftmaxOperation operation;
  int64_t length, inner, columns, blocks, rows;
};

template <int kBytes>
struct Powers {
  UNSKEW_INLINE static void run(const float* x, float most, int64_t count, float* to, double* sum) {
#pragma GCC ivdep
    for (int64_t i = 0; i < count; i++) to[i] = binary32::exp(x[i] - most);
    *sum = fold_run<kBytes>(SumOfDoubles{}, to, count, 0.0);
  }
};

// Partial sums 0 to 7 and 8 to 15 in two registers, which are then joined by halves; what is beyond the end adds 0.
UNSKEW_AVX512 void sum_powers_avx512(const float* x, float most, int64_t count, float* to, double* sum) {
  namespace wide = binary32_avx512;
  __m512d low = _mm512_setzero_pd(), high = _mm512_setzero_pd();
  wide::for_floats(x, count, [&](auto part, int64_t at, __mmask16 mask) UNSKEW_AVX512 __attribute__((always_inline)) {
    auto powers = wide::exp(part - decltype(part)(most));
    if constexpr (part.kCount == 16) powers.v[0] = _mm512_maskz_mov_ps(mask, powers.v[0]);
    wide::store(powers, to + at, mask);
    for (const __m512 v : powers.v) {
      low = _mm512_add_pd(low, _mm512_cvtps_pd(_mm512_castps512_ps256(v)));
      high = _mm512_add_pd(high, _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1)));
    }
  });
  const __m512d eight = _mm512_add_pd(low, high);
  const __m256d four = _mm256_add_pd(_mm512_castpd512_pd256(eight), _mm512_extractf64x4_pd(eight, 1));
  const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
  *sum = _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

SumPowers sum_powers_for(Isa isa) {
  if (isa == Isa::avx512) return sum_powers_avx512;
  return isa == Isa::avx2 ? version_of<Powers<32>>(isa) : version_of<Powers<16>>(isa);
}

template <int kBytes>
struct Softmax {
  UNSKEW_INLINE static double log_sum_exp(double most, double sum) {
    return std::fabs(most) == functions::kInfinity ? most : most + functions::log64(sum);
  }

  // Some lanes of neighbours, step by step for all of them: the end of a lane, which waits for itself, goes beside the next one.
  UNSKEW_INLINE static void run_rows(const Lanes& lanes, const float* x, float* y, int64_t rows, float* exponentials) {
    const int64_t length = lanes.length;
    float most[kMostRows];
    double sums[kMostRows];
    for (int64_t r = 0; r < rows; r++) most[r] = greatest(x + r * length, length);
    // Powers may take the place of the source, where they are the result but for a factor.
    float* powers = lanes.operation == SoftmaxOperation::softmax ? y : exponentials;
    for (int64_t r = 0; r < rows; r++)
      lanes.sum_powers(x + r * length, most[r], length, powers + r * length, &sums[r]);
    if (lanes.operation == SoftmaxOperation::softmax) {
      for (int64_t r = 0; r < rows; r++) sums[r] = 1 / sums[r];
      for (int64_t r = 0; r < rows; r++) {
        const double factor = sums[r];
        float* to = y + r * length;
        for (int64_t i = 0; i < length; i++) to[i] = static_cast<float>(static_cast<double>(to[i]) * factor);
      }
    } else if (lanes.operation == SoftmaxOperation::log_softmax) {
      for (int64_t r = 0; r < rows; r++) {
        const double highest = most[r], logarithm = functions::log64(sums[r]);
        for (int64_t i = r * length; i < (r + 1) * length; i++)
          y[i] = static_cast<float>(static_cast<double>(x[i]) - highest - logarithm);
      }
    } else {
      for (int64_t r = 0; r < rows; r++) y[r] = static_cast<float>(log_sum_exp(most[r], sums[r]));
    }
  }

  // Some neighbouring lanes, whose elements lie `inner` apart.
  UNSKEW_INLINE static void run_block(const Lanes& lanes, const float* x, float* y, int64_t columns,
                                      float* exponentials) {
    const auto [length, inner] = std::pair{lanes.length, lanes.inner};
    float most[kMostColumns];
    double sums[kPartials * kMostColumns];
    std::fill_n(most, columns, -HUGE_VALF);
    std::fill_n(sums, kPartials * columns, 0.0);
    for (int64_t i = 0; i < length; i++)
      for (int64_t k = 0; k < columns; k++) most[k] = greater(most[k], x[i * inner + k]);
    for (int64_t i = 0; i < length; i++) {
      float* row = exponentials + i * columns;
      double* partial = sums + i % kPartials * columns;
      for (int64_t k = 0; k < columns; k++) {
        row[k] = binary32::exp(x[i * inner + k] - most[k]);
        partial[k] += row[k];
      }
    }
    join_by_halves<SumOfDoubles>(sums, columns);
    if (lanes.operation == SoftmaxOperation::softmax) {
      for (int64_t k = 0; k < columns; k++) sums[k] = 1 / sums[k];
      for (int64_t i = 0; i < length; i++)
        for (int64_t k = 0; k < columns; k++)
          y[i * inner + k] = static_cast<float>(static_cast<double>(exponentials[i * columns + k]) * sums[k]);
    } else if (lanes.operation == SoftmaxOperation::log_softmax) {
      for (int64_t k = 0; k < columns; k++) sums[k] = functions::log64(sums[k]);
      for (int64_t i = 0; i < length; i++)
        for (int64_t k = 0; k < columns; k++)
          y[i * inner + k] =
              static_cast<float>(static_cast<double>(x[i * inner + k]) - static_cast<double>(most[k]) - sums[k]);
    } else {
      for (int64_t k = 0; k < columns; k++) y[k] = static_cast<float>(log_sum_exp(most[k], sums[k]));
    }
  }

  UNSKEW_INLINE static void run(const Lanes* lanes, const float* source, float* destination, float* exponentials,
                                int64_t begin, int64_t end) {
    const auto [length, inner] = std::pair{lanes->length, lanes->inner};
    const int64_t left = lanes->operation == SoftmaxOperation::log_sum_exp ? 1 : length;  // of a lane
    if (inner == 1) {
      for (int64_t i = begin; i < end; i += lanes->rows)
        run_rows(*lanes, source + i * length, destination + i * left, std::min(lanes->rows, end - i), exponentials);
      return;
    }
    for (int64_t i = begin; i < end; i++) {
      const int64_t outer = i / lanes->blocks, first = i % lanes->blocks * lanes->columns;
      const float* x = source + outer * length * inner + first;
      float* y = destination + outer * left * inner + first;
      run_block(*lanes, x, y, std::min(lanes->columns, inner - first), exponentials);
    }
  }
};

}  // namespace

KernelProgram make_softmax(const SoftmaxParams& p, const KernelTarget& target) {
  const auto run = wide_version_of<Softmax>(target.isa);
  const int64_t threads = std::max(1, target.threads);
  const int64_t fitting = kBlockElements / std::max<int64_t>(1, p.length) / kLeastColumns * kLeastColumns;
  // Few lanes are shared by the threads, whole cache lines each.
  const int64_t share =
      p.outer >= threads ? kMostColumns : (p.inner / threads + kLeastColumns - 1) / kLeastColumns * kLeastColumns;
  const int64_t columns = std::clamp(std::min(fitting, share), kLeastColumns, kMostColumns);
  const Lanes lanes{.sum_powers = sum_powers_for(target.isa),
                    .operation = p.operation,
                    .length = p.length,
                    .inner = p.inner,
                    .columns = columns,
                    .blocks = (p.inner + columns - 1) / columns,
                    .rows = std::clamp<int64_t>(kRowElements / std::max<int64_t>(1, p.length), 1, kMostRows)};
  const int64_t block = checked_product(p.length, p.inner == 1 ? lanes.rows : columns);
  const int64_t bytes = checked_product(p.outer, p.length, p.inner, 4);
  const bool is_reduced = p.operation == SoftmaxOperation::log_sum_exp;
  const auto scratch = std::make_shared<AlignedBuffer>(checked_product(threads, block, 4));
  KernelProgram program;
  program.arguments = {{.name = "source", .bytes = bytes, .alignment = 4, .in_place = !is_reduced},
                       {.name = "destination",
                        .bytes = is_reduced ? checked_product(p.outer, p.inner, 4) : bytes,
                        .access = Access::write,
                        .alignment = 4}};
  program.run = [=](Addresses a) {
    const auto* source = reinterpret_cast<const float*>(a[0]);
    auto* destination = reinterpret_cast<float*>(a[1]);
    parallel(target.threads, p.outer * lanes.blocks, p.length * (p.inner == 1 ? 1 : columns) * 16, 1, [&](int64_t begin, int64_t end, int thread) {
      run(&lanes, source, destination, scratch->as<float>() + thread * block, begin, end);
    });
  };
  return program;
}

}  // namespace unskew
