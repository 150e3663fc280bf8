// The kernels of our own; src/codegen/onednn/binding.ts gives the meaning of each. `make_…` checks its parameters
// (InvalidArgument) and returns a program for the given instruction set and number of threads.
#pragma once

#include <array>
#include <optional>

#include "kernels/kernel.h"

namespace unskew {

enum class ByteType { u8, s8 };
enum class OutputType { u8, s8, s32 };

template <class T>
constexpr std::pair<int32_t, int32_t> range_of(T type) {
  return type == T::u8 ? std::pair{0, 255} : std::pair{-128, 127};
}

using Pair = std::array<int64_t, 2>;
using Triple = std::array<int64_t, 3>;

// The place of a tensor of bytes, channels last, within a larger one: the channels of a position lie together, and those of the
// next one `stride` bytes behind them.
struct ChannelSlice {
  int64_t offset, stride;
};

// rne(fl(v)·multiplier) + zero point, clamped; zero_point_before: rne(fl(fl(v)·multiplier) + zero point)
struct Requantization {
  int32_t zero_point = 0, low = 0, high = 0;
  bool zero_point_before = false;
};

struct LutParams {
  int64_t positions, channels;
  std::optional<ChannelSlice> slice;  // absent: positions one after another
};
KernelProgram make_lut(const LutParams&, const KernelTarget&);

struct QuantizeParams {
  ByteType type;
  int64_t outer, channels, inner;
  bool multiplies = false;   // by the scale, instead of a division
  bool rounds_away = false;  // at ties, instead of to even
};
KernelProgram make_quantize(const QuantizeParams&, const KernelTarget&);

struct DequantizeParams {
  OutputType type;  // of the source
  int64_t outer, channels, inner;
};
KernelProgram make_dequantize(const DequantizeParams&, const KernelTarget&);

enum class Arithmetic { f32, f64, fixed, fixed_wide };
enum class Rounding { half_even, half_up, half_away };

struct RequantizeParams {
  OutputType type;
  int64_t outer, channels, inner, groups, map_rows;
  Requantization to;
  Arithmetic arithmetic = Arithmetic::f32;
  Rounding rounding = Rounding::half_even;
};
KernelProgram make_requantize(const RequantizeParams&, const KernelTarget&);

struct RescaleParams {
  bool is_wide;  // the source is s64, else s32
  int64_t outer, channels, inner;
  int32_t zero_point, low, high;
  Arithmetic arithmetic;  // f64, fixed (of s32) or fixed_wide
  Rounding rounding;
};
KernelProgram make_rescale(const RescaleParams&, const KernelTarget&);

// The end of a sum that stays float, of type s32 then: clip(fl(fl(fl(acc) · scale) + offset), low, high); NaN stays.
struct ScaledEnd {
  float low, high;
  int64_t scales;  // one, or one for each channel
  bool has_offset;
};

struct DepthwiseParams {
  ByteType source_type, weights_type;
  OutputType type;
  int64_t batch, channels, multiplier;
  Pair input, output, kernel, strides, dilations, begin;
  std::optional<int32_t> source_zero_point;  // absent: an argument of each run
  Requantization to;
  std::optional<ScaledEnd> floats;
};
KernelProgram make_depthwise(const DepthwiseParams&, const KernelTarget&);

struct ConvolutionParams {
  ByteType source_type, weights_type;
  bool channels_first;  // weights [channels, outputs, taps], of one group
  OutputType type;
  int64_t batch, channels, outputs, groups;
  Pair input, output, kernel, strides, dilations, begin;
  std::optional<int32_t> source_zero_point;  // absent: an argument of each run
  Requantization to;
  std::optional<ScaledEnd> floats;
  std::optional<ChannelSlice> slice;  // of results of bytes; absent: positions one after another
};
KernelProgram make_convolution(const ConvolutionParams&, const KernelTarget&);

struct MatrixProductParams {
  ByteType source_type, weights_type;
  std::vector<int64_t> shape, source_strides, weights_strides;  // of the batch
  int64_t rows, inner, columns;
  std::optional<ScaledEnd> floats;
};
KernelProgram make_matrix_product(const MatrixProductParams&, const KernelTarget&);

enum class ResizeRounding { half_up, half_away, in_f32 };
struct LinearResizeParams {
  ByteType type;
  int64_t outer;
  Pair input, output;
  int64_t inner;
  int32_t bits;
  ResizeRounding rounding;
};
KernelProgram make_linear_resize(const LinearResizeParams&, const KernelTarget&);

struct CopyParams {
  int64_t element_bytes;
  std::vector<int64_t> shape, source_strides, destination_strides;
  int64_t source_offset, destination_offset;
};
KernelProgram make_copy(const CopyParams&, const KernelTarget&);

struct GatherParams {
  int64_t element_bytes, outer, size, inner;
  std::vector<int64_t> positions;
};
KernelProgram make_gather(const GatherParams&, const KernelTarget&);

struct LookupParams {
  int64_t element_bytes, size, count;
};
KernelProgram make_lookup(const LookupParams&, const KernelTarget&);

struct PadParams {
  int64_t element_bytes;
  std::vector<int64_t> shape, begin, end;
  uint64_t value;
};
KernelProgram make_pad(const PadParams&, const KernelTarget&);

struct GatherChannelsParams {
  int64_t rows, channels;
  std::vector<int64_t> lanes;  // the channel that each lane of the destination reads
  bool flip;
};
KernelProgram make_gather_channels(const GatherChannelsParams&, const KernelTarget&);

// The last two take bytes of one type. `byte_product` has its factor as the first scale, and 1 as the others.
enum class QLinearOperation { add, multiply, dequantized_add, byte_product };
struct QLinearBinaryParams {
  QLinearOperation operation;
  ByteType source_type, source1_type, type;
  std::vector<int64_t> shape, source_strides, source1_strides;
  std::array<float, 3> scales;
  std::array<int32_t, 3> zero_points;
};
KernelProgram make_qlinear_binary(const QLinearBinaryParams&, const KernelTarget&);

// A sum in fixed point.
struct ByteSum {
  int32_t multiplier_a = 0, multiplier_b = 0, offset = 0, shift = 0;
  int32_t zero_point = 0;
};
struct ByteSumParams {
  ByteType type;  // of both operands and the result
  std::vector<int64_t> shape, source_strides, source1_strides;
  ByteSum how;
};
KernelProgram make_byte_sum(const ByteSumParams&, const KernelTarget&);

struct BinaryTableParams {
  std::vector<int64_t> shape, source_strides, source1_strides;
};
KernelProgram make_binary_table(const BinaryTableParams&, const KernelTarget&);

struct GlobalAveragePoolParams {
  ByteType source_type;
  OutputType type;
  int64_t batch, spatial, channels;
  int32_t source_zero_point;
  float multiplier;
  int32_t zero_point;
};
KernelProgram make_global_average_pool(const GlobalAveragePoolParams&, const KernelTarget&);

enum class ElementType { u8, s8, s16, s32, f32 };

enum class PoolOperation { maximum, average_include_padding, average_exclude_padding };
struct FloatPoolParams {
  PoolOperation operation;
  int64_t batch, channels;
  Triple input, output, kernel, strides, dilations, begin, end;
};
KernelProgram make_float_pool(const FloatPoolParams&, const KernelTarget&);

struct ByteMaxPoolParams {
  ByteType type;
  int64_t batch, channels;
  Triple input, output, kernel, strides, dilations, begin;
};
KernelProgram make_byte_max_pool(const ByteMaxPoolParams&, const KernelTarget&);

struct ByteAveragePoolParams {
  ByteType type;
  int64_t batch, channels;
  Triple input, output, kernel, strides, dilations, begin;
  bool counts_padding;  // as taps of 0
  bool is_raw;          // the mean of the integers; else of real numbers, which the next four fields are for
  float source_scale, source_zero_point, scale, zero_point;
};
KernelProgram make_byte_average_pool(const ByteAveragePoolParams&, const KernelTarget&);

struct QLinearSoftmaxParams {
  ByteType type;
  int64_t outer, length, inner;
  double steps;
  int32_t zero_point;
};
KernelProgram make_qlinear_softmax(const QLinearSoftmaxParams&, const KernelTarget&);

struct FloatByteSoftmaxParams {
  ByteType type;  // of the source, and of the result unless it is `wide`
  bool wide;      // s16
  int64_t outer, length, inner;
  float scale;
  int32_t zero_point;
};
KernelProgram make_float_byte_softmax(const FloatByteSoftmaxParams&, const KernelTarget&);

struct FixedByteSoftmaxParams {
  ByteType type;
  bool wide;
  int64_t outer, length, inner;
};
KernelProgram make_fixed_byte_softmax(const FixedByteSoftmaxParams&, const KernelTarget&);

enum class DynamicRecipe { onnx, torch, symmetric, asymmetric, xnnpack };
struct DynamicQuantizeParams {
  DynamicRecipe recipe;
  int32_t high;  // the greatest zero point of torch
  int64_t rows, length;
};
KernelProgram make_dynamic_quantize(const DynamicQuantizeParams&, const KernelTarget&);

struct ReferenceConvolutionParams {
  ByteType source_type, weights_type;
  int64_t batch, input_channels, output_channels, groups, weights_zero_points;
  Triple input, output, kernel, strides, dilations, begin;
  bool transposed;
};
KernelProgram make_reference_convolution(const ReferenceConvolutionParams&, const KernelTarget&);

}  // namespace unskew
