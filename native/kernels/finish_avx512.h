// From accumulators in AVX-512 registers to the destination. For .cc files only.
#pragma once

#include "kernels/elementwise.h"
#include "kernels/intrinsics.h"

namespace unskew {

inline __mmask64 first_lanes(int64_t count) { return count >= 64 ? ~__mmask64{0} : (__mmask64{1} << count) - 1; }

// The channel, of 64, that belongs into lane `lane` of vector `vector` of four, so that the pack instructions leave the
// bytes in order.
constexpr int64_t packed_channel(int64_t vector, int64_t lane) { return lane / 4 * 16 + vector * 4 + lane % 4; }

class Finish {
 public:
  UNSKEW_AVX512 explicit Finish(const Requantization& to)
      : low_(_mm512_set1_ps(static_cast<float>(to.low - to.zero_point))),
        high_(_mm512_set1_ps(static_cast<float>(to.high - to.zero_point))),
        zero_point_(_mm512_set1_epi16(static_cast<int16_t>(to.zero_point))),
        low_bytes_(_mm512_set1_epi8(static_cast<char>(to.low))),
        high_bytes_(_mm512_set1_epi8(static_cast<char>(to.high))),
        clamps_(to.high - to.low != 255) {}

  // kCount vectors of accumulators as bytes: of every lane of 16 bytes, four come from each vector (bytes beyond kCount
  // are
  // undefined). The multipliers of vector v are at multipliers[v · step]. kOverflows: accumulators times
  // multipliers may leave the range of s32.
  template <OutputType kType, bool kOverflows, int kCount = 4>
  [[gnu::always_inline]] UNSKEW_AVX512 inline __m512i bytes(const __m512i* acc, const float* multipliers,
                                                            int step) const {
    __m512i rounded[kCount];
    for (int v = 0; v < kCount; v++) {
      __m512 value = _mm512_mul_ps(_mm512_cvtepi32_ps(acc[v]), _mm512_load_ps(multipliers + v * step));
      if constexpr (kOverflows) value = _mm512_min_ps(_mm512_max_ps(value, low_), high_);
      rounded[v] = _mm512_cvtps_epi32(value);
    }
    constexpr int kLast = kCount - 1;
    const __m512i first = _mm512_adds_epi16(_mm512_packs_epi32(rounded[0], rounded[std::min(1, kLast)]), zero_point_);
    __m512i second = first;
    if constexpr (kCount > 2) second = _mm512_adds_epi16(_mm512_packs_epi32(rounded[2], rounded[kLast]), zero_point_);
    if constexpr (kType == OutputType::s8) {
      const __m512i packed = _mm512_packs_epi16(first, second);
      return clamps_ ? _mm512_min_epi8(_mm512_max_epi8(packed, low_bytes_), high_bytes_) : packed;
    } else {
      const __m512i packed = _mm512_packus_epi16(first, second);
      return clamps_ ? _mm512_min_epu8(_mm512_max_epu8(packed, low_bytes_), high_bytes_) : packed;
    }
  }

 private:
  __m512 low_, high_;
  __m512i zero_point_, low_bytes_, high_bytes_;
  bool clamps_;  // whether the bounds are not those of the type
};

// Accumulators as floats, in the order of their lanes.
class FloatFinish {
 public:
  UNSKEW_AVX512 explicit FloatFinish(const ScaledEnd& end) : low_(_mm512_set1_ps(end.low)), high_(_mm512_set1_ps(end.high)) {}

  [[gnu::always_inline]] UNSKEW_AVX512 inline __m512i words(__m512i acc, __m512 scale, __m512 offset) const {
    __m512 value = _mm512_add_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(acc), scale), offset);
    value = _mm512_mask_mov_ps(value, _mm512_cmp_ps_mask(value, low_, _CMP_LE_OQ), low_);
    value = _mm512_mask_mov_ps(value, _mm512_cmp_ps_mask(value, high_, _CMP_GE_OQ), high_);
    return _mm512_castps_si512(value);
  }

 private:
  __m512 low_, high_;
};

}  // namespace unskew
