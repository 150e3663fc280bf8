// The parts of the depthwise kernel: a plan that all versions share, and one function per version.
#pragma once

#include <cmath>

#include "kernels/elementwise.h"

namespace unskew {

// Prepared when a session is made, from the constants.
struct DepthwisePlan {
  DepthwiseParams p;
  int threads = 1;
  int64_t outputs = 0;  // output channels
  std::vector<int8_t> weights;      // [output channels, taps]
  std::vector<int32_t> base;        // bias − source zero point · Σ weights
  std::vector<float> multiplier;
};

// Rows [begin, end) of batch · output height, by thread `thread`.
using DepthwiseRows = void (*)(const DepthwisePlan&, const uint8_t* source, uint8_t* destination, int64_t begin, int64_t end, int thread);

void depthwise_rows_scalar(const DepthwisePlan&, const uint8_t*, uint8_t*, int64_t, int64_t, int);

}  // namespace unskew
