// The parts of the convolution kernel: data prepared from the constants, and one function per version.
#pragma once

#include "kernels/elementwise.h"

namespace unskew {

struct ConvolutionPlan;

// Computes the output positions [begin, end) (of batch · output height · output width) of one block of output channels.
using ConvolutionPart = void (*)(const ConvolutionPlan&, const uint8_t* source, uint8_t* destination, int64_t block,
                                 int64_t begin, int64_t end);

// Output channels of one group that are computed together.
struct ChannelBlock {
  int64_t group, first, count;  // `first` among all output channels
  int vectors;                  // of 16 channels
  int64_t lane;                 // of its first channel in base and multiplier
  int64_t weights;              // where its packed weights begin, in bytes
};

// The start of the window of an output coordinate along one axis, which may be outside.
struct WindowStart {
  int64_t at;      // input coordinate
  int64_t offset;  // of it, in the source
  int64_t base;    // of its class, in the table of bases: coordinates whose windows hold the same taps form a class
  bool whole;      // whether all taps are inside
};

struct ConvolutionPlan {
  ConvolutionParams p;
  int64_t inputs = 0, outputs = 0;  // channels of a group
  ConvolutionPart compute = nullptr;
  std::vector<ChannelBlock> blocks;
  int64_t positions = 1;  // computed in one go: a part
  // True when parts are the outer loop, each with all blocks: for few weights, so that every result is written once,
  // and by one thread. Otherwise blocks are, each with all parts, and each thread reads its own weights only.
  bool by_parts = false;

  std::vector<int8_t> plain_weights;    // [output channels, inputs, taps]
  std::vector<int32_t> plain_bias;      // [output channels]
  std::vector<float> plain_multiplier;  // [output channels]
  // The fields of the vector version, by lane.
  std::vector<WindowStart> rows, columns;  // by output coordinate
  int64_t lanes = 0;
  std::unique_ptr<AlignedBuffer> weights;  // s8 [block][tap][inputs / 4][lane of the block][4]
  std::unique_ptr<AlignedBuffer> base;  // s32 [row class][column class][lane]: bias − zero point · Σ of the taps inside
  std::unique_ptr<AlignedBuffer> multiplier;  // f32 [lane]
  std::unique_ptr<AlignedBuffer> padding;     // what a tap outside the input reads: zeros
  bool pointwise = false;  // whether each output position reads just the input position of the same index
  bool overflows = true;   // whether some accumulator times its multiplier may leave the range of s32

  int64_t taps() const { return p.kernel[0] * p.kernel[1]; }
};

// Each version sets blocks, positions and compute, and packs the plain constants.
void prepare_convolution_scalar(ConvolutionPlan& plan);
void prepare_convolution_avx512(ConvolutionPlan& plan, const KernelTarget& target);

}  // namespace unskew
