// Rows times a matrix, start + Σ x[k]·w[column, k] in binary32: each product is added in the order of k and rounded together with the sum
// before it. src/numerics/fused_multiply_add.ts is the twin of the step.
#pragma once

#include "kernels/kernel.h"

namespace unskew {

struct FusedBlock;

// The weights in panels of as many columns as a block has, row by row of the depth.
class FusedPanels {
 public:
  FusedPanels(int64_t depth, int64_t columns, Isa isa);

  // Weights [columns, depth], the first column at `first`, `step` elements from one column to the next.
  void pack(const float* weights);
  int64_t columns() const { return columns_; }
  // So many elements of `start` are read.
  int64_t padded() const { return panels_ * width_; }

  // destination[i] = start + source[i]·weights for rows i, which lie so many elements apart; `start` is the same for all of them.
  void multiply(int64_t rows, const float* source, int64_t source_step, const float* start, float* destination,
                int64_t destination_step) const;

 private:
  using Run = void (*)(const FusedBlock*);
  int64_t depth_, columns_, width_, panels_;
  int most_rows_;
  // By rows; the first ones of two panels at once.
  Run run_[9] = {}, run_pair_ = nullptr;
  AlignedBuffer packed_;
};

struct FusedProductParams {
  int64_t rows, depth, columns;
};
KernelProgram make_fused_product(const FusedProductParams&, const KernelTarget&);

}  // namespace unskew
