// The parts of the depthwise kernel: data prepared from the constants, and one function per version.
#pragma once

#include "kernels/rounding.h"

namespace unskew {

struct DepthwisePlan;

// The rows of a unit of work.
inline constexpr int64_t kRowsLimit = 2;

// Computes `rows` output rows (of batch · output height), as many as its image has, for one block of output channels.
using DepthwiseRow = void (*)(const DepthwisePlan&, const uint8_t* source, uint8_t* destination, int64_t row,
                              int64_t block, int thread);

// For the output channels [begin, end); a kernel may have several plans.
struct DepthwisePlan {
  DepthwiseParams p;
  int threads = 1;
  int64_t outputs = 0;  // all output channels
  int64_t begin = 0, end = 0;
  int64_t block_width = 0;  // output channels of a block
  int64_t rows = 1;         // that are computed together, at most kRowsLimit
  std::vector<DepthwiseRow> compute;  // of each block

  // From the constants, as the version wants them; first as they are, for all output channels.
  std::vector<int16_t> plain_weights;         // [output channels, taps], without their zero points
  std::unique_ptr<AlignedBuffer> weights;     // of the version
  std::unique_ptr<AlignedBuffer> inside;      // s32: Σ weights
  std::unique_ptr<AlignedBuffer> bias;        // s32
  std::unique_ptr<AlignedBuffer> base;        // s32: bias − source zero point · Σ weights
  bool shifts = false;                        // whether the version reads s8 sources as source + 128
  int32_t source_zero_point = 0;              // of the parameters, or of the run
  // f32. Of a stepped end like the multiplier; of one in floats of the channels from `begin` on, in their order.
  std::unique_ptr<AlignedBuffer> scale, offset;
  std::unique_ptr<AlignedBuffer> multiplier;  // f32
  bool stepped = false;  // whether the end of bytes has a scale or an offset, or adds its zero point before it rounds
  std::unique_ptr<AlignedBuffer> padding;     // bytes of the source zero point
  std::unique_ptr<AlignedBuffer> scratch;     // scratch_bytes for each thread
  int64_t scratch_bytes = 0;
  int64_t tile = 0;       // output columns that share a scratch
  bool overflows = true;  // whether some accumulator times its multiplier may leave the range of s32

  void set_factors(const FloatFactors& factors) {
    copy_factors(*p.floats, factors, begin, end - begin, scale->as<float>(), offset->as<float>());
  }
  // The float of output channel o.
  float finished(int32_t sum, int64_t o) const {
    return finish_float(sum, scale->as<float>()[o - begin], offset->as<float>()[o - begin], p.floats->low,
                        p.floats->high);
  }
  // Sets base and padding.
  void set_source_zero_point(int32_t zero_point) {
    source_zero_point = zero_point;
    const int32_t shifted = zero_point + (shifts ? 128 : 0);
    const auto *sums = inside->as<int32_t>(), *added = bias->as<int32_t>();
    auto* to = base->as<int32_t>();
    for (int64_t i = 0; i < base->bytes() / 4; i++)
      to[i] = wrapping_subtract(added[i], wrapping_multiply(shifted, sums[i]));
    if (padding != nullptr) std::memset(padding->data(), zero_point, static_cast<size_t>(padding->bytes()));
  }
  // Of the versions that keep them in the order of the channels.
  Factors factors() const {
    const auto floats = [](const std::unique_ptr<AlignedBuffer>& of) { return of ? of->as<float>() : nullptr; };
    return {.multiplier = floats(multiplier), .scale = floats(scale), .offset = floats(offset)};
  }
  int64_t blocks() const { return (end - begin + block_width - 1) / block_width; }
  int64_t input_row(int64_t row, int64_t tap) const {
    return row % p.output[0] * p.strides[0] - p.begin[0] + tap * p.dilations[0];
  }
};

// Each version sets block_width, compute and its scratch, then packs plain_weights, inside, bias and multiplier.
// `prepare_…` returns false when the version cannot serve these parameters.
void prepare_depthwise_scalar(DepthwisePlan& plan);
bool prepare_depthwise_avx2(DepthwisePlan& plan);
bool prepare_depthwise_avx512(DepthwisePlan& plan);

// The channel at which the AVX-512 version divides the output channels into two plans, or `outputs`.
int64_t divide_depthwise_avx512(int64_t outputs);

}  // namespace unskew
