// Blocks of channels for the AVX-512 depthwise kernel, and the sums of an output row in registers. For the .cc file only.
//
// A block is 64 channels in four vectors, whose lanes lie as the byte unpack instructions leave them (the pack
// instructions at the end bring them back), or 16 channels in one vector in natural order.
#pragma once

#include "kernels/depthwise.h"
#include "kernels/finish_avx512.h"

namespace unskew {

struct Block64 {
  static constexpr int kVectors = 4;
  static constexpr int64_t kWidth = 64;
  static constexpr int kColumns = 4;

  // The channel of lane `lane` of vector `vector`.
  static int64_t channel(int64_t vector, int64_t lane) { return packed_channel(vector, lane); }

  UNSKEW_AVX512 static __m512i load(const uint8_t* from) { return _mm512_loadu_si512(from); }

  UNSKEW_AVX512 static void interleave(__m512i a, __m512i b, __m512i c, __m512i d, __m512i* to) {
    const __m512i ab_low = _mm512_unpacklo_epi8(a, b), ab_high = _mm512_unpackhi_epi8(a, b);
    const __m512i cd_low = _mm512_unpacklo_epi8(c, d), cd_high = _mm512_unpackhi_epi8(c, d);
    _mm512_store_si512(to + 0, _mm512_unpacklo_epi16(ab_low, cd_low));
    _mm512_store_si512(to + 1, _mm512_unpackhi_epi16(ab_low, cd_low));
    _mm512_store_si512(to + 2, _mm512_unpacklo_epi16(ab_high, cd_high));
    _mm512_store_si512(to + 3, _mm512_unpackhi_epi16(ab_high, cd_high));
  }
};

struct Block16 {
  static constexpr int kVectors = 1;
  static constexpr int64_t kWidth = 16;
  static constexpr int kColumns = 8;

  static int64_t channel(int64_t, int64_t lane) { return lane; }

  UNSKEW_AVX512 static __m512i load(const uint8_t* from) {
    return _mm512_castsi128_si512(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
  }

  UNSKEW_AVX512 static void interleave(__m512i a, __m512i b, __m512i c, __m512i d, __m512i* to) {
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512i turn = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    __m512i all = _mm512_inserti32x4(a, _mm512_castsi512_si128(b), 1);
    all = _mm512_inserti32x4(all, _mm512_castsi512_si128(c), 2);
    all = _mm512_inserti32x4(all, _mm512_castsi512_si128(d), 3);
    _mm512_store_si512(to, _mm512_shuffle_epi8(_mm512_permutexvar_epi32(order, all), turn));
  }
};

// The kernel's width, its groups of four rows and its stride, known when compiling or not. Distances are in columns.
// kParts: a weight is the sum of that many bytes.
template <int kWeightParts, int kTaps, int kGroups, int kStride>
struct FixedSize {
  static constexpr bool kFixed = true;
  static constexpr int kParts = kWeightParts;
  FixedSize(const DepthwiseParams&, int64_t) {}
  static constexpr int64_t taps() { return kTaps; }
  static constexpr int64_t groups() { return kGroups; }
  static constexpr int64_t stride() { return kStride; }
  static constexpr int64_t dilation() { return 1; }
};

template <int kWeightParts>
class AnySize {
 public:
  static constexpr bool kFixed = false;
  static constexpr int kParts = kWeightParts;
  AnySize(const DepthwiseParams& p, int64_t groups)
      : taps_(p.kernel[1]), groups_(groups), stride_(p.strides[1]), dilation_(p.dilations[1]) {}
  int64_t taps() const { return taps_; }
  int64_t groups() const { return groups_; }
  int64_t stride() const { return stride_; }
  int64_t dilation() const { return dilation_; }

 private:
  int64_t taps_, groups_, stride_, dilation_;
};

// The sums of neighbouring output columns, in registers.
template <class Block, class Size, OutputType kType, ByteEnd kEnd>
struct Columns {
  Size size;
  const __m512i* scratch;
  const __m512i* weights;
  const __m512i* second;  // the second parts of the weights
  const __m512i* base;
  Finish finish;
  LaneFactors factors;  // of a float end the scales and offsets in the order of the channels; of sums null
  FloatFinish floats;
  uint8_t* destination;
  int64_t outputs;
  __mmask64 mask;

  // Adds one kernel column of one group of rows.
  template <int kColumns>
  [[gnu::always_inline]] UNSKEW_AVX512 inline void add(const __m512i* from, int64_t tap, int64_t group,
                                                       __m512i (&acc)[kColumns][Block::kVectors]) const {
    constexpr int kVectors = Block::kVectors;
    const int64_t own = (tap * size.groups() + group) * kVectors;
    for (int v = 0; v < kVectors; v++) {
      for (int c = 0; c < kColumns; c++) {
        const int64_t column = c * size.stride() + tap * size.dilation();
        const __m512i x = from[(column * size.groups() + group) * kVectors + v];
        acc[c][v] = _mm512_dpbusd_epi32(acc[c][v], x, weights[own + v]);
        if constexpr (Size::kParts == 2) acc[c][v] = _mm512_dpbusd_epi32(acc[c][v], x, second[own + v]);
      }
    }
  }

  // The same for all kernel columns and groups from kFirst on, without loops.
  template <int kColumns, int kFirst>
  [[gnu::always_inline]] UNSKEW_AVX512 inline void add_all(const __m512i* from,
                                                           __m512i (&acc)[kColumns][Block::kVectors]) const {
    add<kColumns>(from, kFirst / Size::groups(), kFirst % Size::groups(), acc);
    if constexpr (kFirst + 1 < Size::taps() * Size::groups()) add_all<kColumns, kFirst + 1>(from, acc);
  }

  // Up to four columns of 16 channels are narrowed together.
  template <int kColumns>
  [[gnu::always_inline]] UNSKEW_AVX512 inline void store_four(const __m512i (&acc)[kColumns][Block::kVectors],
                                                              int first, uint8_t* to) const {
    __m512i four[4];
    for (int c = 0; c < 4; c++) four[c] = acc[std::min(first + c, kColumns - 1)][0];
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512i mixed = finish.template bytes<kType, kEnd>(four, factors, 0);
    const __m512i bytes = _mm512_permutexvar_epi32(order, mixed);
    const auto narrow = static_cast<__mmask16>(mask);
    _mm_mask_storeu_epi8(to, narrow, _mm512_castsi512_si128(bytes));
    if constexpr (kColumns > 1) {
      _mm_mask_storeu_epi8(to + outputs, narrow, _mm512_extracti32x4_epi32(bytes, 1));
      _mm_mask_storeu_epi8(to + 2 * outputs, narrow, _mm512_extracti32x4_epi32(bytes, 2));
      _mm_mask_storeu_epi8(to + 3 * outputs, narrow, _mm512_extracti32x4_epi32(bytes, 3));
    }
  }

  // The channels [first, first + 16) of the block.
  [[gnu::always_inline]] UNSKEW_AVX512 inline void store_words(__m512i words, int first, int32_t* to) const {
    if (factors.scale != nullptr)
      words = floats.words(words, _mm512_load_ps(factors.scale + first), _mm512_load_ps(factors.offset + first));
    _mm512_mask_storeu_epi32(to + first, static_cast<__mmask16>(mask >> first), words);
  }

  [[gnu::always_inline]] UNSKEW_AVX512 inline void store_sums(const __m512i* acc, uint8_t* to) const {
    auto* sums = reinterpret_cast<int32_t*>(to);
    if constexpr (Block::kVectors == 1) {
      store_words(acc[0], 0, sums);
    } else {
      // Lanes of four change places with vectors.
      const __m512i a = _mm512_shuffle_i32x4(acc[0], acc[1], 0x44), b = _mm512_shuffle_i32x4(acc[0], acc[1], 0xee);
      const __m512i c = _mm512_shuffle_i32x4(acc[2], acc[3], 0x44), d = _mm512_shuffle_i32x4(acc[2], acc[3], 0xee);
      store_words(_mm512_shuffle_i32x4(a, c, 0x88), 0, sums);
      store_words(_mm512_shuffle_i32x4(a, c, 0xdd), 16, sums);
      store_words(_mm512_shuffle_i32x4(b, d, 0x88), 32, sums);
      store_words(_mm512_shuffle_i32x4(b, d, 0xdd), 48, sums);
    }
  }

  template <int kColumns>
  [[gnu::always_inline]] UNSKEW_AVX512 inline void run(int64_t at) const {
    constexpr int kVectors = Block::kVectors;
    const __m512i* from = scratch + at * size.stride() * size.groups() * kVectors;
    __m512i acc[kColumns][kVectors];
    for (int c = 0; c < kColumns; c++) {
      for (int v = 0; v < kVectors; v++) acc[c][v] = base[v];
    }
    if constexpr (Size::kFixed) {
      add_all<kColumns, 0>(from, acc);
    } else {
      for (int64_t tap = 0; tap < size.taps(); tap++) {
        for (int64_t group = 0; group < size.groups(); group++) add<kColumns>(from, tap, group, acc);
      }
    }
    constexpr int64_t kElement = kType == OutputType::s32 ? 4 : 1;
    uint8_t* to = destination + at * outputs * kElement;
    if constexpr (kType == OutputType::s32) {
      for (int c = 0; c < kColumns; c++) store_sums(acc[c], to + c * outputs * kElement);
    } else if constexpr (kVectors == 4) {
      for (int c = 0; c < kColumns; c++) {
        const __m512i bytes = finish.template bytes<kType, kEnd>(acc[c], factors, 16);
        _mm512_mask_storeu_epi8(to + c * outputs, mask, bytes);
      }
    } else {
      for (int c = 0; c < kColumns; c += 4) store_four<kColumns>(acc, c, to + c * outputs);
    }
  }
};

}  // namespace unskew
