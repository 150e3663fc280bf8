// LSTM whose inputs and states are quantized by their own range, and whose weights are bytes; kernel.ts gives the meaning.
#pragma once

#include "kernels/kernels.h"

namespace unskew {

struct DynamicLstmParams {
  ByteType weights_type;
  int64_t length, batch, size, hidden, directions;
  int64_t scales;  // of each direction: one, or one for each column
  bool backwards;  // the only direction; a second one always goes backwards
};
KernelProgram make_dynamic_lstm(const DynamicLstmParams&, const KernelTarget&);

}  // namespace unskew
