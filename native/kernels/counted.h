// Kernels that find out how many results there are: they lie in front of a destination with room for the most, whose last element is their
// number.
#pragma once

#include <vector>

#include "kernels/rows.h"

namespace unskew {

struct NonZeroParams {
  RowType type;
  std::vector<int64_t> shape;
};
KernelProgram make_non_zero(const NonZeroParams&, const KernelTarget&);

struct NonMaxSuppressionParams {
  int64_t batches, classes, boxes, most;  // chosen of a class
  bool by_centre;
  float overlap, score;
};
KernelProgram make_non_max_suppression(const NonMaxSuppressionParams&, const KernelTarget&);

}  // namespace unskew
