// Kernels over runs of elements: reductions and normalizations.
#pragma once

#include "kernels/kernel.h"

namespace unskew {

enum class RowType { f32, f64, s32, u32, s64, u64, s16, u16, s8, u8 };

enum class Reduction { sum, mean, l1, l2, sum_square, product, maximum, minimum, log_sum };
struct ReduceParams {
  Reduction operation;
  RowType type;
  int64_t outer, length, inner;
};
KernelProgram make_reduce(const ReduceParams&, const KernelTarget&);

struct ArgMaxParams {
  RowType type;
  int64_t outer, length, inner;
  bool largest, last;  // the largest or the smallest; of equal ones the last or the first
};
KernelProgram make_arg_max(const ArgMaxParams&, const KernelTarget&);

struct TopKParams {
  RowType type;
  int64_t outer, length, inner, count;
  bool largest;
};
KernelProgram make_top_k(const TopKParams&, const KernelTarget&);

struct CumulativeSumParams {
  RowType type;  // of 32 or 64 bits
  int64_t outer, length, inner;
  bool exclusive, reverse;
};
KernelProgram make_cumulative_sum(const CumulativeSumParams&, const KernelTarget&);

enum class SoftmaxOperation { softmax, log_softmax, log_sum_exp };
struct SoftmaxParams {
  SoftmaxOperation operation;
  int64_t outer, length, inner;
};
KernelProgram make_softmax(const SoftmaxParams&, const KernelTarget&);

struct NormalizeParams {
  int64_t rows, length;
  bool centre;
  double epsilon;
  // Element i of row r has the factor and offset (r mod factor_rows)·per_row + i / (length / per_row).
  int64_t factor_rows, per_row;
};
KernelProgram make_normalize(const NormalizeParams&, const KernelTarget&);

struct ChannelAffineParams {
  int64_t outer, channels, inner;
};
KernelProgram make_channel_affine(const ChannelAffineParams&, const KernelTarget&);

}  // namespace unskew
