// From accumulators in AVX-512 registers to the destination. For .cc files only.
#pragma once

#include "kernels/intrinsics.h"
#include "kernels/rounding.h"

namespace unskew {

inline __mmask64 first_lanes(int64_t count) { return count >= 64 ? ~__mmask64{0} : (__mmask64{1} << count) - 1; }

// The channel, of 64, that belongs into lane `lane` of vector `vector` of four, so that the pack instructions leave the
// bytes in order.
constexpr int64_t packed_channel(int64_t vector, int64_t lane) { return lane / 4 * 16 + vector * 4 + lane % 4; }

// How a sum becomes a byte.
//
//   plain     rne(fl(v·multiplier)) + zero point
//   clamped   the same where products may leave the range of s32
//   stepped   rne(fl(fl(fl(fl(v·scale) + offset)·multiplier) + before)) + after: one of the last two terms is the zero point
enum class ByteEnd { plain, clamped, stepped };

// The factors of channels, in the order of the lanes; an end that is not stepped has no scale and no offset.
struct LaneFactors {
  const float *multiplier, *scale, *offset;
};

class Finish {
 public:
  UNSKEW_AVX512 explicit Finish(const Requantization& to) : Finish(to, end_of(to)) {}
  UNSKEW_AVX512 Finish(const Requantization& to, const End& end)
      : low_(_mm512_set1_ps(static_cast<float>(end.low))),
        high_(_mm512_set1_ps(static_cast<float>(end.high))),
        before_(_mm512_set1_ps(static_cast<float>(end.before))),
        zero_point_(_mm512_set1_epi16(static_cast<int16_t>(end.after))),
        low_bytes_(_mm512_set1_epi8(static_cast<char>(to.low))),
        high_bytes_(_mm512_set1_epi8(static_cast<char>(to.high))),
        clamps_(int64_t{to.high} - to.low != 255) {}

  // kCount vectors of accumulators as bytes: of every lane of 16 bytes, four come from each vector (bytes beyond kCount
  // are
  // undefined). The factors of vector v are those at v · step.
  template <OutputType kType, ByteEnd kEnd, int kCount = 4>
  [[gnu::always_inline]] UNSKEW_AVX512 inline __m512i bytes(const __m512i* acc, const LaneFactors& factors,
                                                            int step) const {
    __m512i rounded[kCount];
    for (int v = 0; v < kCount; v++) {
      const __m512 sum = _mm512_cvtepi32_ps(acc[v]), multiplier = _mm512_load_ps(factors.multiplier + v * step);
      __m512 value;
      if constexpr (kEnd == ByteEnd::stepped) {
        value = _mm512_mul_ps(sum, _mm512_load_ps(factors.scale + v * step));
        value = _mm512_mul_ps(_mm512_add_ps(value, _mm512_load_ps(factors.offset + v * step)), multiplier);
        // What s32 does not hold below, and NaN, become its least integer, and that the lowest byte.
        value = _mm512_min_ps(high_, _mm512_add_ps(value, before_));
      } else {
        value = _mm512_mul_ps(sum, multiplier);
      }
      if constexpr (kEnd == ByteEnd::clamped) value = _mm512_min_ps(_mm512_max_ps(value, low_), high_);
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
  __m512 low_, high_, before_;
  __m512i zero_point_, low_bytes_, high_bytes_;
  bool clamps_;  // whether the bounds are not those of the type
};

// The first 16 · kVectors bytes. Stores with masks take longer.
template <int kVectors>
[[gnu::always_inline]] UNSKEW_AVX512 inline void store_vectors(uint8_t* to, __m512i bytes) {
  if constexpr (kVectors == 4) _mm512_storeu_si512(to, bytes);
  if constexpr (kVectors == 2 || kVectors == 3)
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_castsi512_si256(bytes));
  if constexpr (kVectors == 3)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 32), _mm512_extracti32x4_epi32(bytes, 2));
  if constexpr (kVectors == 1) _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_castsi512_si128(bytes));
}

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
