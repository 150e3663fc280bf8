// Linear interpolation of floats and integers; float arithmetic.
#pragma once

#include "kernels/kernels.h"

namespace unskew {

struct InterpolateParams {
  ElementType type;  // f32, s32, s8 or u8
  int64_t outer;
  std::vector<int64_t> input, output;
  int64_t inner;
  bool ten_bits;  // the weights of two axes have 20 bits behind the point
};
KernelProgram make_interpolate(const InterpolateParams&, const KernelTarget&);

}  // namespace unskew
