// From the Kernel objects of src/codegen/onednn/binding.ts to programs.
#pragma once

#include "declaration.h"
#include "kernels/kernel.h"

namespace unskew {

KernelProgram read_kernel(const Declaration& kernel, const KernelTarget& target);

}  // namespace unskew
