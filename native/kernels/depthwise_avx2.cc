// Depthwise convolution with 16-bit products: for each output position, acc[c] += x[c]·w[tap][c] over a block of
// channels. One input channel per output channel.
#include "kernels/depthwise.h"

namespace unskew {

namespace {

constexpr int64_t kBlock = 64;

template <class S>
struct AccumulateTap {
  UNSKEW_INLINE static void run(const S* source, const int16_t* weights, int32_t* sums) {
    for (int64_t c = 0; c < kBlock; c++) {
      sums[c] = wrapping_add(sums[c], static_cast<int16_t>(source[c]) * weights[c]);
    }
  }
};

template <class Recipe>
struct Finish {
  UNSKEW_INLINE static void run(const int32_t* sums, const Factors& factors, const Requantization& to,
                                uint8_t* result) {
    const Recipe recipe(end_of(to));
    const Factors own = factors;
    for (int64_t c = 0; c < kBlock; c++) result[c] = static_cast<uint8_t>(recipe(sums[c], own, c));
  }
};

// The factors of the channels of a block, and any numbers behind the last one.
struct BlockFactors {
  alignas(64) float multiplier[kBlock] = {}, scale[kBlock] = {}, offset[kBlock] = {};

  BlockFactors(const Factors& all, int64_t first, int64_t width) {
    const auto copy = [&](const float* from, float* to) {
      if (from != nullptr) std::copy_n(from + first, width, to);
    };
    copy(all.multiplier, multiplier);
    copy(all.scale, scale);
    copy(all.offset, offset);
  }
  Factors factors() const { return {.multiplier = multiplier, .scale = scale, .offset = offset}; }
};

template <class S>
UNSKEW_AVX2 void compute(const DepthwisePlan& plan, const uint8_t* source, uint8_t* destination, int64_t row,
                         int64_t block, int) {
  const DepthwiseParams& p = plan.p;
  const int64_t first = plan.begin + block * kBlock, width = std::min(kBlock, plan.end - first);
  const int64_t taps = p.kernel[0] * p.kernel[1], n = row / p.output[0];
  const auto* weights = plan.weights->as<int16_t>() + block * taps * kBlock;
  const auto* padding = plan.padding->as<S>();
  alignas(64) int32_t sums[kBlock];
  alignas(64) uint8_t result[kBlock];
  alignas(64) S partial[kBlock] = {};
  const BlockFactors factors(p.floats ? Factors{} : plan.factors(), first, width);
  const auto finish = plan.stepped ? Finish<InFloat<Rounding::half_even>>::run : Finish<Plain>::run;
  for (int64_t x = 0; x < p.output[1]; x++) {
    std::fill_n(sums, kBlock, 0);
    std::copy_n(plan.base->as<int32_t>() + first, width, sums);
    for (int64_t i = 0; i < p.kernel[0]; i++) {
      const int64_t in_y = plan.input_row(row, i);
      for (int64_t j = 0; j < p.kernel[1]; j++) {
        const int64_t in_x = x * p.strides[1] - p.begin[1] + j * p.dilations[1];
        const bool inside = in_y >= 0 && in_y < p.input[0] && in_x >= 0 && in_x < p.input[1];
        const S* from = padding;
        if (inside) {
          from =
              reinterpret_cast<const S*>(source) + ((n * p.input[0] + in_y) * p.input[1] + in_x) * p.channels + first;
          if (width < kBlock) from = std::copy_n(from, width, partial) - width;
        }
        AccumulateTap<S>::run(from, weights + (i * p.kernel[1] + j) * kBlock, sums);
      }
    }
    const int64_t at = (row * p.output[1] + x) * plan.outputs + first;
    if (p.floats) {
      for (int64_t c = 0; c < width; c++)
        reinterpret_cast<float*>(destination)[at + c] = plan.finished(sums[c], first + c);
    } else if (p.type == OutputType::s32) {
      std::copy_n(sums, width, reinterpret_cast<int32_t*>(destination) + at);
    } else {
      finish(sums, factors.factors(), p.to, result);
      std::copy_n(result, width, destination + at);
    }
  }
}

}  // namespace

bool prepare_depthwise_avx2(DepthwisePlan& plan) {
  const DepthwiseParams& p = plan.p;
  if (p.multiplier != 1) return false;
  const int64_t taps = p.kernel[0] * p.kernel[1];
  plan.block_width = kBlock;
  plan.compute.assign(plan.blocks(), p.source_type == ByteType::u8 ? compute<uint8_t> : compute<int8_t>);
  plan.weights = std::make_unique<AlignedBuffer>(checked_product(plan.blocks(), taps, kBlock, 2));
  for (int64_t c = 0; c < plan.end - plan.begin; c++) {
    for (int64_t t = 0; t < taps; t++) {
      plan.weights->as<int16_t>()[(c / kBlock * taps + t) * kBlock + c % kBlock] =
          plan.plain_weights[(plan.begin + c) * taps + t];
    }
  }
  plan.padding = std::make_unique<AlignedBuffer>(kBlock);
  return true;
}

}  // namespace unskew
