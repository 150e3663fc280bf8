// From the Kernel objects of src/codegen/onednn/binding.ts to programs.
#pragma once

#include "arguments.h"
#include "kernels/kernel.h"

namespace unskew {

KernelProgram read_kernel(const Argument& kernel, const KernelTarget& target);

}  // namespace unskew
