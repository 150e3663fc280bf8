// Blocks of sums of products in binary32: some rows of a source times some vectors of columns. Each product is added and rounded together
// with the sum before it. src/numerics/fused_multiply_add.ts is the twin of the step.
#pragma once

#include <array>
#include <iterator>

#include "kernels/kernel.h"

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
  const float* panel;  // [channels, taps, columns of the panel]
  const float* start;  // one for each column
  int64_t columns;     // to be written: the last panel may have fewer than its vectors hold
};

// The first row, and the elements from one to the next.
struct BlockRows {
  const float* source;
  int64_t source_step;
  float* destination;
  int64_t destination_step;
};

// One or two rows times a matrix, which is read once and therefore not packed.
struct ThinSum {
  int64_t depth, source_step, destination_step, weights_step;  // from one row to the next
  const float *source, *weights, *start;
  float* destination;
};

using BlockFunction = void (*)(const BlockSum*, const BlockRows*);
using ThinFunction = void (*)(const ThinSum*);

inline constexpr int kMostThinRows = 2;
inline constexpr int kThinVectors[] = {8, 4, 2, 1};

// The functions for as many sums as the registers hold, by vectors and rows. Depthwise ones have a channel of its own for every column: rows
// of the source are read at the first of them.
struct Blocks {
  int lanes, most_vectors;
  std::array<int, 5> most_rows{};
  std::array<std::array<BlockFunction, kMostBlockRows + 1>, 5> functions{};
  std::array<BlockFunction, kMostBlockRows + 1> depthwise{};
  std::array<std::array<ThinFunction, kMostThinRows + 1>, std::size(kThinVectors)> thin{};
};
Blocks blocks_for(Isa isa);

}  // namespace unskew
