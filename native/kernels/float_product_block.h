// Blocks of sums of products: some rows of a source times some vectors of columns, all operands in binary64, where products of
// binary32 numbers are exact. A fused multiply-add and a product with an addition are therefore the same number.
#pragma once

#include <array>
#include <iterator>

#include "kernels/vectors.h"

namespace unskew {

inline constexpr int kMostBlockRows = 12;

// The place that a tap reads, from the place of its output position, and its number.
struct Term {
  int64_t source, tap;
};

// The sums of a panel of columns: over channels, and within each over the terms.
struct BlockSum {
  int64_t channels, taps, term_count;
  const Term* terms;
  const double* panel;  // [channels, taps, columns of the panel]
  const double* start;  // one for each column
  int64_t columns;      // to be written: the last panel may have fewer than its vectors hold
};

struct BlockRows {
  std::array<const double*, kMostBlockRows> source;
  std::array<float*, kMostBlockRows> destination;
};

template <int kLanes, int kVectors, int kRows>
struct Block {
  using Doubles = Vector<double, kLanes>;
  using Sums = Doubles[kRows][kVectors];

  UNSKEW_INLINE static void add(Sums& sums, const BlockRows& rows, int64_t at, const double* weights) {
    Doubles w[kVectors];
    for (int v = 0; v < kVectors; v++) load_vector(weights + v * kLanes, w[v]);
    for (int r = 0; r < kRows; r++) {
      const double x = rows.source[static_cast<size_t>(r)][at];
      for (int v = 0; v < kVectors; v++) sums[r][v] += x * w[v];
    }
  }

  UNSKEW_INLINE static void run(const BlockSum* of, const BlockRows* given) {
    constexpr int64_t kColumns = kVectors * kLanes;
    const BlockRows rows = *given;
    Sums sums;
    for (int r = 0; r < kRows; r++)
      for (int v = 0; v < kVectors; v++) load_vector(of->start + v * kLanes, sums[r][v]);
    const int64_t channels = of->channels, step = of->taps * kColumns;
    if (of->term_count == 1) {
      const int64_t at = of->terms->source;
      const double* weights = of->panel + of->terms->tap * kColumns;
      for (int64_t c = 0; c < channels; c++) add(sums, rows, at + c, weights + c * step);
    } else {
      const double* weights = of->panel;
      for (int64_t c = 0; c < channels; c++, weights += step)
        for (const Term *term = of->terms, *end = term + of->term_count; term < end; term++)
          add(sums, rows, term->source + c, weights + term->tap * kColumns);
    }
    for (int r = 0; r < kRows; r++) {
      float* to = rows.destination[static_cast<size_t>(r)];
      float rounded[kColumns];
      for (int v = 0; v < kVectors; v++)
        store_vector(__builtin_convertvector(sums[r][v], Vector<float, kLanes>), rounded + v * kLanes);
      if (of->columns == kColumns) {
        std::memcpy(to, rounded, sizeof rounded);
      } else {
        std::memcpy(to, rounded, static_cast<size_t>(of->columns) * 4);
      }
    }
  }
};

// The same with a channel of its own for every column: rows of the source are read at the first of them.
template <int kLanes, int kRows>
struct DepthwiseBlock {
  using Doubles = Vector<double, kLanes>;

  UNSKEW_INLINE static void run(const BlockSum* of, const BlockRows* given) {
    const BlockRows rows = *given;
    Doubles sums[kRows];
    for (int r = 0; r < kRows; r++) load_vector(of->start, sums[r]);
    for (const Term *term = of->terms, *end = term + of->term_count; term < end; term++) {
      Doubles w;
      load_vector(of->panel + term->tap * kLanes, w);
      for (int r = 0; r < kRows; r++) {
        Doubles x;
        load_vector(rows.source[static_cast<size_t>(r)] + term->source, x);
        sums[r] += x * w;
      }
    }
    for (int r = 0; r < kRows; r++) {
      const Vector<float, kLanes> rounded = __builtin_convertvector(sums[r], Vector<float, kLanes>);
      std::memcpy(rows.destination[static_cast<size_t>(r)], &rounded, static_cast<size_t>(of->columns) * 4);
    }
  }
};

// One or two rows times a matrix, which is read once and therefore not widened in memory.
struct ThinSum {
  int64_t depth, source_step, destination_step, weights_step;  // from one row to the next
  const float *source, *weights;
  const double* start;
  float* destination;
};

template <int kLanes, int kVectors, int kRows>
struct ThinBlock {
  using Doubles = Vector<double, kLanes>;
  using Floats = Vector<float, kLanes>;

  UNSKEW_INLINE static void run(const ThinSum* given) {
    const ThinSum of = *given;
    Doubles sums[kRows][kVectors];
    for (int r = 0; r < kRows; r++)
      for (int v = 0; v < kVectors; v++) load_vector(of.start + v * kLanes, sums[r][v]);
    for (int64_t k = 0; k < of.depth; k++) {
      double x[kRows];
      for (int r = 0; r < kRows; r++) x[r] = static_cast<double>(of.source[r * of.source_step + k]);
      for (int v = 0; v < kVectors; v++) {
        Floats floats;
        load_vector(of.weights + k * of.weights_step + v * kLanes, floats);
        const Doubles w = __builtin_convertvector(floats, Doubles);
        for (int r = 0; r < kRows; r++) sums[r][v] += x[r] * w;
      }
    }
    for (int r = 0; r < kRows; r++)
      for (int v = 0; v < kVectors; v++)
        store_vector(__builtin_convertvector(sums[r][v], Floats),
                     of.destination + r * of.destination_step + v * kLanes);
  }
};

using BlockFunction = void (*)(const BlockSum*, const BlockRows*);
using ThinFunction = void (*)(const ThinSum*);

inline constexpr int kMostThinRows = 2;
inline constexpr int kThinVectors[] = {8, 4, 2, 1};

// The functions for as many sums as the registers hold, by vectors and rows.
struct Blocks {
  int lanes, most_vectors;
  std::array<int, 5> most_rows{};
  std::array<std::array<BlockFunction, kMostBlockRows + 1>, 5> functions{};
  std::array<BlockFunction, kMostBlockRows + 1> depthwise{};
  std::array<std::array<ThinFunction, kMostThinRows + 1>, std::size(kThinVectors)> thin{};
};
Blocks blocks_for(Isa isa);

}  // namespace unskew
