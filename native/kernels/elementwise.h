// Loops over tensors seen as outer × channels × inner, with parameters per channel, for the three instruction sets.
//
// A kernel is one always-inlined loop over a run of elements, compiled once per instruction set: the scalar version is
// the same source without vector instructions, which makes it the twin the tests compare the others with.
#pragma once

#include <cmath>

#include "kernels/kernels.h"

namespace unskew {

#define UNSKEW_INLINE [[gnu::always_inline]] inline

// max(low, ·), then min(·, high); NaN becomes `low`, as with maxps and minps.
UNSKEW_INLINE float clamp_float(float value, float low, float high) {
  value = value > low ? value : low;
  return value < high ? value : high;
}

// The nearest integer, ties to even (the rounding mode is never changed). |value| < 2^31.
UNSKEW_INLINE int32_t round_to_int(float value) { return __builtin_irintf(value); }

// rne(fl(v)·multiplier) + zero point, clamped; `low` and `high` without the zero point.
UNSKEW_INLINE int32_t requantize_value(int32_t v, float multiplier, float low, float high, int32_t zero_point) {
  return round_to_int(clamp_float(static_cast<float>(v) * multiplier, low, high)) + zero_point;
}

// The value of one byte.
UNSKEW_INLINE int32_t value_of(ByteType type, const uint8_t* byte) {
  return type == ByteType::u8 ? int32_t{*byte} : int32_t{static_cast<int8_t>(*byte)};
}

// Factors of a run as a kernel with a float end has them: of the channels [0, count) in their order, and −0 where no offset is,
// since x + −0 = x for every x.
struct FloatFactors {
  const float* scale;
  const float* offset;  // null: none
};
inline std::vector<ArgumentRule> scaled_end_arguments(const ScaledEnd& end, int64_t channels) {
  return {{.name = "scale", .bytes = end.scales * 4, .alignment = 4},
          {.name = "offset", .bytes = channels * 4, .alignment = 4, .required = end.has_offset}};
}
inline void copy_factors(const ScaledEnd& end, const FloatFactors& from, int64_t first, int64_t count, float* scale,
                         float* offset) {
  for (int64_t i = 0; i < count; i++) {
    scale[i] = from.scale[end.scales == 1 ? 0 : first + i];
    offset[i] = from.offset == nullptr ? -0.0f : from.offset[first + i];
  }
}
UNSKEW_INLINE float finish_float(int32_t sum, float scale, float offset, float low, float high) {
  float value = static_cast<float>(sum) * scale + offset;
  value = value <= low ? low : value;
  return value >= high ? high : value;
}

// The constants of a stepped end of bytes: fl(fl(fl(v)·scale) + offset) takes the place of v.
inline std::vector<ArgumentRule> step_arguments(OutputType type, int64_t channels) {
  if (type == OutputType::s32) return {};
  return {{.name = "scale", .bytes = channels * 4, .alignment = 4, .required = false, .constant = true, .packed = true},
          {.name = "offset", .bytes = channels * 4, .alignment = 4, .required = false, .constant = true, .packed = true}};
}
// Such an end, or one whose zero point is added before it rounds; the arguments above begin at `first`.
inline bool has_stepped_end(OutputType type, const Requantization& to, Addresses a, size_t first) {
  if (type == OutputType::s32) return false;
  return to.zero_point_before || a[first] != nullptr || a[first + 1] != nullptr;
}

// The bytes of a destination that a slice reaches.
inline int64_t bytes_of_slice(const ChannelSlice& slice, int64_t positions, int64_t channels) {
  require(slice.offset >= 0 && slice.stride >= channels, "a slice begins at 0 or later, and no position overlaps the next one");
  if (positions == 0 || channels == 0) return 0;
  return checked_add(slice.offset, checked_add(checked_product(positions - 1, slice.stride), channels));
}
inline ChannelSlice slice_or_whole(const std::optional<ChannelSlice>& slice, int64_t channels) {
  return slice.value_or(ChannelSlice{.offset = 0, .stride = channels});
}

// Signed addition and multiplication that wrap.
UNSKEW_INLINE int32_t wrapping_add(int32_t a, int32_t b) {
  return static_cast<int32_t>(static_cast<uint32_t>(a) + static_cast<uint32_t>(b));
}
UNSKEW_INLINE int32_t wrapping_subtract(int32_t a, int32_t b) {
  return static_cast<int32_t>(static_cast<uint32_t>(a) - static_cast<uint32_t>(b));
}
UNSKEW_INLINE int32_t wrapping_multiply(int32_t a, int32_t b) {
  return static_cast<int32_t>(static_cast<uint32_t>(a) * static_cast<uint32_t>(b));
}

// The versions of a loop: `Loop::run` is a static always-inlined function, compiled here for each instruction set.
template <class Loop, class... Parameters>
void run_scalar(Parameters... parameters) {
  Loop::run(parameters...);
}
template <class Loop, class... Parameters>
UNSKEW_AVX2 void run_avx2(Parameters... parameters) {
  Loop::run(parameters...);
}
template <class Loop, class... Parameters>
UNSKEW_AVX512 void run_avx512(Parameters... parameters) {
  Loop::run(parameters...);
}

template <class Loop, class... Parameters>
auto version_of(Isa isa, void (*)(Parameters...)) -> void (*)(Parameters...) {
  if (isa == Isa::avx512) return run_avx512<Loop, Parameters...>;
  return isa == Isa::avx2 ? run_avx2<Loop, Parameters...> : run_scalar<Loop, Parameters...>;
}

// The version of `Loop` for an instruction set.
template <class Loop>
auto version_of(Isa isa) {
  return version_of<Loop>(isa, &Loop::run);
}

// The view of a tensor around its channel axis. With `by_row`, parameters are the same along a row of `row_length`
// elements and row r belongs to channel r mod channels; else a row is one run over all channels.
struct ChannelView {
  int64_t outer, channels, inner;
  bool by_row;
  int64_t row_length, count;

  ChannelView(int64_t outer_size, int64_t channel_count, int64_t inner_size)
      : outer(outer_size), channels(channel_count), inner(inner_size) {
    require(outer >= 0 && channels >= 0 && inner >= 0, "sizes must not be negative");
    count = checked_product(outer, channels, inner, 4) / 4;
    if (channels == 1) {
      inner = outer * inner;
      outer = 1;
    }
    by_row = inner != 1 || channels == 1;
    row_length = std::max<int64_t>(1, by_row ? inner : channels);
  }
};

// body(row, first element of the row, number of elements) for the parts of rows in the flat range [begin, end).
template <class Body>
void for_rows(int64_t begin, int64_t end, int64_t row_length, const Body& body) {
  int64_t row = begin / row_length, first = begin % row_length;
  for (int64_t position = begin; position < end; row++, first = 0) {
    const int64_t length = std::min(row_length - first, end - position);
    body(row, first, length);
    position += length;
  }
}

}  // namespace unskew
