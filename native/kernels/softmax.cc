// Softmax and its logarithm along the middle of [outer, length, inner]: e^x is that of binary32_functions.h, sums of it are binary64
// as in partial_sums.h, and their quotient or logarithm is rounded once. A NaN, +infinity, or nothing but -infinity in a lane makes all of
// it NaN without a test.
#include "kernels/binary32_functions.h"
#include "kernels/float_functions.h"
#include "kernels/partial_sums.h"
#include "kernels/rows.h"

namespace unskew {

namespace {

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

struct Lanes {
  SoftmaxOperation operation;
  int64_t length, inner, columns, blocks;
};

template <int kBytes>
struct Softmax {
  UNSKEW_INLINE static double log_sum_exp(double most, double sum) {
    return std::fabs(most) == functions::kInfinity ? most : most + functions::log64(sum);
  }

  // One lane of neighbours.
  UNSKEW_INLINE static void run_lane(const Lanes& lanes, const float* x, float* y, double* exponentials) {
    const int64_t length = lanes.length;
    const float highest = greatest(x, length);
    const double most = highest;
    for (int64_t i = 0; i < length; i++) exponentials[i] = binary32::exp(x[i] - highest);
    const double sum = fold_run<kBytes>(SumOfDoubles{}, exponentials, length, 0.0);
    if (lanes.operation == SoftmaxOperation::softmax) {
      const double factor = 1 / sum;
      for (int64_t i = 0; i < length; i++) y[i] = static_cast<float>(exponentials[i] * factor);
    } else if (lanes.operation == SoftmaxOperation::log_softmax) {
      const double logarithm = functions::log64(sum);
      for (int64_t i = 0; i < length; i++) y[i] = static_cast<float>(static_cast<double>(x[i]) - most - logarithm);
    } else {
      *y = static_cast<float>(log_sum_exp(most, sum));
    }
  }

  // Some neighbouring lanes, whose elements lie `inner` apart.
  UNSKEW_INLINE static void run_block(const Lanes& lanes, const float* x, float* y, int64_t columns,
                                      double* exponentials) {
    const auto [length, inner] = std::pair{lanes.length, lanes.inner};
    float most[kMostColumns];
    double sums[kPartials * kMostColumns];
    std::fill_n(most, columns, -HUGE_VALF);
    std::fill_n(sums, kPartials * columns, 0.0);
    for (int64_t i = 0; i < length; i++)
      for (int64_t k = 0; k < columns; k++) most[k] = greater(most[k], x[i * inner + k]);
    for (int64_t i = 0; i < length; i++) {
      double* row = exponentials + i * columns;
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
          y[i * inner + k] = static_cast<float>(exponentials[i * columns + k] * sums[k]);
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

  UNSKEW_INLINE static void run(const Lanes* lanes, const float* source, float* destination, double* exponentials,
                                int64_t begin, int64_t end) {
    const auto [length, inner] = std::pair{lanes->length, lanes->inner};
    const int64_t left = lanes->operation == SoftmaxOperation::log_sum_exp ? 1 : length;  // of a lane
    for (int64_t i = begin; i < end; i++) {
      const int64_t outer = i / lanes->blocks, first = i % lanes->blocks * lanes->columns;
      const float* x = source + outer * length * inner + first;
      float* y = destination + outer * left * inner + first;
      if (inner == 1) {
        run_lane(*lanes, x, y, exponentials);
      } else {
        run_block(*lanes, x, y, std::min(lanes->columns, inner - first), exponentials);
      }
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
  const Lanes lanes{.operation = p.operation,
                    .length = p.length,
                    .inner = p.inner,
                    .columns = columns,
                    .blocks = (p.inner + columns - 1) / columns};
  const int64_t block = checked_product(p.length, p.inner == 1 ? 1 : columns);
  const int64_t bytes = checked_product(p.outer, p.length, p.inner, 4);
  const bool is_reduced = p.operation == SoftmaxOperation::log_sum_exp;
  const auto scratch = std::make_shared<AlignedBuffer>(checked_product(threads, block, 8));
  KernelProgram program;
  program.arguments = {{.name = "source", .bytes = bytes, .alignment = 4, .in_place = !is_reduced},
                       {.name = "destination",
                        .bytes = is_reduced ? checked_product(p.outer, p.inner, 4) : bytes,
                        .access = Access::write,
                        .alignment = 4}};
  program.run = [=](Addresses a) {
    const auto* source = reinterpret_cast<const float*>(a[0]);
    auto* destination = reinterpret_cast<float*>(a[1]);
    parallel(target.threads, p.outer * lanes.blocks, block * 16, 1, [&](int64_t begin, int64_t end, int thread) {
      run(&lanes, source, destination, scratch->as<double>() + thread * block, begin, end);
    });
  };
  return program;
}

}  // namespace unskew
