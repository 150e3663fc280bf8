// The cell of LSTM, shared by the recurrent layers.
#pragma once

#include "kernels/binary32_functions.h"
#include "kernels/elementwise.h"

namespace unskew {

// c' = σ(s_f)·c + σ(s_i)·tanh(s_c), h' = σ(s_o)·tanh(c'); the sums of the gates i, o, f, c one after another.
struct LstmCell {
  UNSKEW_INLINE static void run(const float* sums, int64_t hidden, float* c, float* h) {
    const float *input = sums, *output = sums + hidden, *forget = sums + 2 * hidden, *cell = sums + 3 * hidden;
#pragma GCC ivdep
    for (int64_t j = 0; j < hidden; j++) {
      const float kept = binary32::sigmoid(forget[j]) * c[j];
      const float taken = binary32::sigmoid(input[j]) * binary32::tanh(cell[j]);
      c[j] = kept + taken;
      h[j] = binary32::sigmoid(output[j]) * binary32::tanh(c[j]);
    }
  }
};

}  // namespace unskew
