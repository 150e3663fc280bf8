// Elements at computed positions along one axis, read or written, and parts written at computed places.
#pragma once

#include "kernels/kernel.h"

namespace unskew {

struct AlongParams {
  int64_t element_bytes;
  std::vector<int64_t> shape;    // of the positions
  std::vector<int64_t> strides;  // of the other tensor along the same axes
  int64_t axis, size, elements;  // the axis that positions count along, its size, and the elements of the other tensor
  bool scatters, positions_of_64_bits;
};
KernelProgram make_along(const AlongParams&, const KernelTarget&);

struct ScatterAtParams {
  int64_t element_bytes;
  std::vector<int64_t> sizes;  // of the axes that a row of positions names
  int64_t part, count;
  bool positions_of_64_bits;
};
KernelProgram make_scatter_at(const ScatterAtParams&, const KernelTarget&);

}  // namespace unskew
