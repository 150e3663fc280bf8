// Numbers that no operand has: ranges, and lists that a plan knows.
#pragma once

#include "kernels/kernel.h"

namespace unskew {

enum class RangeType { s16, s32, s64, f32, f64 };

struct RangeParams {
  RangeType type;
  int64_t count;
};

KernelProgram make_range(const RangeParams&, const KernelTarget&);
KernelProgram make_numbers(std::vector<int64_t> values, const KernelTarget&);

}  // namespace unskew
