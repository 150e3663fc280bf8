#include "kernels/broadcast.h"

namespace unskew {

KernelProgram make_binary_table(const BinaryTableParams& params, const KernelTarget& target) {
  return make_broadcast_binary(params.shape, params.source_strides, params.source1_strides, target.threads,
                               {{.name = "table", .bytes = 65536}},
                               [](const uint8_t* a, int64_t step_a, const uint8_t* b, int64_t step_b,
                                  uint8_t* destination, int64_t count, const uint8_t* table) {
                                 for (int64_t i = 0; i < count; i++)
                                   destination[i] = table[a[i * step_a] << 8 | b[i * step_b]];
                               });
}

}  // namespace unskew
