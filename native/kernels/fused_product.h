// Rows times a matrix, start + Σ x[k]·w[k, column] in binary32: each product is added in the order of k and rounded together with the sum
// before it. src/numerics/fused_multiply_add.ts is the twin of the step.
#pragma once

#include "kernels/kernel.h"

namespace unskew {

struct FusedBlock;

// The element (k, column) of a matrix lies at data[k·depth_step + column·column_step].
struct FusedMatrix {
  const float* data;
  int64_t depth_step, column_step;
};

// Rows, which lie so many elements apart.
struct FusedRows {
  int64_t count;
  const float* source;
  int64_t source_step;
  float* destination;
  int64_t destination_step;
};

// A matrix in panels of as many columns as a block has, each row by row of the depth.
class FusedPanels {
 public:
  FusedPanels(int64_t depth, int64_t columns, Isa isa);

  int64_t count() const { return panels_; }
  // So many elements of `start` are read, and so many make a panel.
  int64_t padded() const { return panels_ * width_; }
  int64_t panel_size() const { return depth_ * width_; }
  int64_t size() const { return panels_ * panel_size(); }

  void pack(const FusedMatrix& matrix, float* panels) const;
  void pack_panel(int64_t panel, const FusedMatrix& matrix, float* to) const;

  // destination[i] = start + source[i]·matrix; `start` is the same for all rows.
  void multiply(const FusedRows& rows, const float* panels, const float* start) const;
  void multiply_panel(int64_t panel, const FusedRows& rows, const float* packed, const float* start) const;
  // destination[i] += source[i]·matrix for one panel, whose rows have room for all of its columns.
  void add_panel(const FusedRows& rows, const float* packed) const;
  // Where the matrix is read once, and where it lies, row by row of the depth.
  bool takes_unpacked(int64_t panel, int64_t rows, const FusedMatrix& matrix) const {
    return rows <= kFewRows && matrix.column_step == 1 && (panel + 1) * width_ <= columns_;
  }
  void multiply_unpacked(int64_t panel, const FusedRows& rows, const FusedMatrix& matrix, const float* start) const;

 private:
  static constexpr int kVectors = 4, kMostRows = 12;
  static constexpr int64_t kFewRows = 4;
  using Run = void (*)(const FusedBlock*);

  template <class Blocks, int kCount>
  void take_vectors();
  template <class Blocks>
  void take();
  void run(int64_t panel, const FusedRows& rows, const float* weights, int64_t weights_step, const float* start,
           int64_t start_step) const;

  int64_t depth_, columns_, panels_;
  Isa isa_;
  int64_t lanes_ = 1, width_ = kVectors;
  // By vectors and rows; one row of two panels side by side.
  std::array<int, kVectors + 1> most_rows_{};
  std::array<std::array<Run, kMostRows + 1>, kVectors + 1> run_{};
  Run run_pair_ = nullptr;
};

// Batches of matrices: strides along the axes of `shape`, and then of source and destination from row to row, and of the weights along the
// depth and from column to column. The depth of the source, and the columns of the destination, lie one after another.
struct FusedProductParams {
  std::vector<int64_t> shape;
  int64_t rows, depth, columns;
  std::vector<int64_t> source_strides, weights_strides, destination_strides;
};
KernelProgram make_fused_product(const FusedProductParams&, const KernelTarget&);

}  // namespace unskew
