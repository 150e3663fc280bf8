// Rows of floats times weights of few bits in blocks, as qnn.block_matmul states it.
#pragma once

#include "kernels/block_weights.h"

namespace unskew {

struct BlockProductParams {
  int64_t rows;
  BlockWeights weights;
  bool of_bytes;  // rows are quantized by blocks
};
KernelProgram make_block_product(const BlockProductParams&, const KernelTarget&);

}  // namespace unskew
