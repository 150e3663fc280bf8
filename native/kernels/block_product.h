// Weights of few bits in blocks: products as qnn.block_matmul states them, and rows of tables.
#pragma once

#include "kernels/block_weights.h"

namespace unskew {

struct BlockProductParams {
  int64_t rows;
  BlockWeights weights;
  bool of_bytes;  // rows are quantized by blocks
};
KernelProgram make_block_product(const BlockProductParams&, const KernelTarget&);

// Rows of a table, as qnn.block_gather states it.
struct BlockGatherParams {
  int64_t rows, length, block;
  int bits;
  int64_t count;
  bool is_wide;  // indices have 64 bits
};
KernelProgram make_block_gather(const BlockGatherParams&, const KernelTarget&);

}  // namespace unskew
