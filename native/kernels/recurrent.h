// The steps of recurrent layers behind the sums of their input; kernel.ts gives their meaning.
#pragma once

#include "kernels/kernel.h"

namespace unskew {

enum class RecurrentCell { lstm, gru, gru_linear };

struct RecurrentParams {
  RecurrentCell cell;
  int64_t length, batch, hidden, directions;
  bool backwards;  // the only direction; a second one always goes backwards
};
KernelProgram make_recurrent(const RecurrentParams&, const KernelTarget&);

}  // namespace unskew
