#include "kernel_arguments.h"

#include "kernel_readers/reader.h"

namespace unskew {

namespace {

// The readers of all families, by the name of the kernel.
std::vector<std::pair<const char*, KernelProgram (*)(const Reader&)>> all_readers() {
  std::vector<std::pair<const char*, KernelProgram (*)(const Reader&)>> all;
  for (const KernelReaders* family : {&kConvolutionReaders, &kFloatReaders, &kMovementReaders, &kQuantizedReaders,
                                      &kRowReaders, &kElementwiseReaders}) {
    for (const KernelReader& reader : *family) all.emplace_back(reader.name, reader.read);
  }
  return all;
}

}  // namespace

KernelProgram read_kernel(const Declaration& kernel, const KernelTarget& target) {
  static const auto readers = all_readers();
  return kernel.property("name").choice(readers)(Reader(kernel, target));
}

}  // namespace unskew
