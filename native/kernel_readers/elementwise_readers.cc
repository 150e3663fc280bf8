// Reads the declarations of programs over elements.
#include "kernel_readers/reader.h"
#include "kernels/elementwise_program.h"

namespace unskew {

namespace {

KernelProgram elementwise(const Reader& r) {
  ElementwiseParams params;
  params.shape = r.shape();
  const int rank = static_cast<int>(params.shape.size());
  for (const Declaration& source : r["sources"].elements()) {
    params.sources.push_back({source.property("type").choice(kCells),
                              source.property("strides").integers(rank, -kMaximumCount, kMaximumCount)});
  }
  for (const Declaration& instruction : r["instructions"].elements()) {
    const Declaration name = instruction.property("operation");
    const Operation* operation = operation_named(name.text());
    if (operation == nullptr) name.refuse("an operation");
    ProgramInstruction read{operation, instruction.property("operands").integers(-1, 0, INT32_MAX), {}};
    const std::vector<Declaration> parameters = instruction.property("parameters").elements();
    if (parameters.size() > 2) instruction.property("parameters").refuse("at most two numbers");
    for (size_t i = 0; i < parameters.size(); i++) read.parameters[i] = parameters[i].number();
    params.instructions.push_back(std::move(read));
  }
  params.destinations = r["destinations"].integers(-1, 0, INT32_MAX);
  return make_elementwise(params, r.target);
}

}  // namespace

const KernelReaders kElementwiseReaders = {{"elementwise", elementwise}};

}  // namespace unskew
