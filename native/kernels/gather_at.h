// Gathers whose positions are computed.
#pragma once

#include <stdexcept>

#include "kernels/kernel.h"

namespace unskew {

// Thrown by a run: the model asks for an element that there is not.
struct PositionOutside : std::runtime_error {
  using std::runtime_error::runtime_error;
  size_t command = 0;  // of the session, which notes it
};

struct GatherAtParams {
  int64_t element_bytes, outer;
  std::vector<int64_t> sizes;  // of the axes that a row of positions names
  int64_t part, count;
  bool by_outer;  // each of `outer` has rows of its own
  bool positions_of_64_bits;
};
KernelProgram make_gather_at(const GatherAtParams&, const KernelTarget&);

}  // namespace unskew
