// The parts of a row of results that are computed together, and the places of the source that they read.
#pragma once

#include <utility>
#include <vector>

#include "kernels/float_product.h"

namespace unskew {

// (tap, input position) pairs of an axis, by ascending tap.
using TapList = std::vector<std::pair<int64_t, int64_t>>;

// Positions that a block computes together: output columns, and input columns behind those of the first of all that are alike, at equal
// distances.
struct Chunk {
  int64_t count, position, position_step, shift, shift_step;
};

// Positions that read through the same taps: their input positions differ by one distance for all taps.
struct Alike {
  const TapList* taps;  // of the first
  std::vector<Chunk> chunks;
};

// Neighbouring results of a row, and the input columns [first, last] that they read.
struct Segment {
  std::vector<Alike> parts;
  int64_t first, last;
  int64_t columns() const { return last - first + 1; }
};

struct Segments {
  std::vector<TapList> depths, heights, widths;
  std::vector<Segment> list;  // points into `widths`
};

// Segments of `most_columns` results at the most, in chunks of `most_rows`. `with_pads`: positions beyond the ends of a row count as
// input, which holds zeros there.
Segments make_segments(const FloatProductParams&, int64_t most_columns, int64_t most_rows, bool with_pads);

}  // namespace unskew
