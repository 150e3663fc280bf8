// Known weights of the AVX-512 convolution, in the order in which it reads them.
#pragma once

#include "kernels/convolution.h"

namespace unskew {

// The output channel of a lane of a block; beyond its last channel for an unused lane.
int64_t channel_of(const ConvolutionPlan& plan, const ChannelBlock& block, int64_t vector, int64_t lane);

// Of the same weights with the same zero points those that another session has.
std::shared_ptr<const PackedWeights> packed_weights(const ConvolutionPlan& plan, int threads, const uint8_t* weights,
                                                    const Identity& identity);

}  // namespace unskew
