// Sums of products of floats with one meaning on every machine; kernel.ts gives it.
#pragma once

#include "kernels/kernels.h"

namespace unskew {

struct FloatProductParams {
  int64_t batch, channels, outputs, groups;
  Triple input, output, kernel, strides, dilations, begin;
  bool transposed;
};
KernelProgram make_float_product(const FloatProductParams&, const KernelTarget&);

}  // namespace unskew
