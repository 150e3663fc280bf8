// Rows of floats times weights in blocks: codes become floats in registers, each for as many rows as have their sums there.
#include "kernels/block_weights.h"
#include "kernels/intrinsics.h"

namespace unskew {

namespace {

// 2²³: the floats from it on are integers, whose lowest bits are those of the number.
constexpr float kOneToEachBit = 8388608.0f;

// The values of 16 codes, of which those of 8 bits are larger by kOneToEachBit: a blend of bits does in one instruction what a mask and a conversion
// do in two. A permutation reads the lowest four bits of an index alone, so that it looks up codes of four bits or fewer, whatever lies above them.
template <int kBits>
UNSKEW_AVX512 inline __m512 value_of_codes(__m512i words, int index, __m512 table) {
  const __m512i codes = index == 0 ? words : _mm512_srli_epi32(words, static_cast<unsigned>(kBits * index));
  if constexpr (kBits <= 4) return _mm512_permutexvar_ps(codes, table);
  constexpr int kFirstAndSecondOrThird = 0xEA;
  return _mm512_castsi512_ps(
      _mm512_ternarylogic_epi32(codes, _mm512_set1_epi32(255), _mm512_castps_si512(table), kFirstAndSecondOrThird));
}

UNSKEW_AVX512 inline __m512 load_zeros(const BlockWeights& w, const uint8_t* from) {
  if (w.zero == BlockZero::floats) return _mm512_loadu_ps(from);
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
}

// Levels of a table, or floats of codes, less the middle where this is all that is subtracted; for 8 bits kOneToEachBit.
template <int kBits>
UNSKEW_AVX512 inline __m512 table_of(const BlockWeights& w, bool is_middle) {
  if (kBits > 4) return _mm512_set1_ps(kOneToEachBit);
  if (w.table() != nullptr) return _mm512_loadu_ps(w.table());
  const float subtracted = is_middle ? w.middle() : 0.0f;
  alignas(64) float entries[16];
  for (int i = 0; i < 16; i++) entries[i] = static_cast<float>(i & ((1 << std::min(kBits, 4)) - 1)) - subtracted;
  return _mm512_load_ps(entries);
}

// What is subtracted from the values of codes.
enum class Subtracted {
  nothing,   // the table has subtracted the middle
  integers,  // zero points; for 8 bits with kOneToEachBit, which is added without a rounding
  floats     // for 8 bits: kOneToEachBit, then zero points
};

template <int kBits>
constexpr Subtracted subtracted_of(BlockZero zero) {
  if (kBits > 4) return zero == BlockZero::floats ? Subtracted::floats : Subtracted::integers;
  return zero == BlockZero::middle ? Subtracted::nothing : Subtracted::integers;
}

// The zero points of 16 columns in a form that `less_zeros` subtracts.
template <int kBits>
UNSKEW_AVX512 inline __m512 prepared_zeros(const BlockWeights& w, const uint8_t* from) {
  const __m512 zeros = w.zero == BlockZero::middle ? _mm512_set1_ps(w.middle()) : load_zeros(w, from);
  return kBits <= 4 || w.zero == BlockZero::floats ? zeros : _mm512_add_ps(zeros, _mm512_set1_ps(kOneToEachBit));
}
template <int kBits, Subtracted kSubtracted>
UNSKEW_AVX512 inline __m512 less_zeros(__m512 value, __m512 zeros) {
  if constexpr (kBits > 4 && kSubtracted == Subtracted::floats) value = _mm512_sub_ps(value, _mm512_set1_ps(kOneToEachBit));
  return kSubtracted == Subtracted::nothing ? value : _mm512_sub_ps(value, zeros);
}

template <int kBits, Subtracted kSubtracted, int kRows, int kPanels>
UNSKEW_AVX512 void multiply(const BlockRows& of) {
  constexpr int kPerWord = 32 / kBits;
  const BlockWeights& w = *of.weights;
  const int64_t blocks = w.blocks(), words = w.words(), panel_words = w.block_bytes() / 4, zero_bytes = w.zero_bytes();
  const BlockPanel panel = w.panel(of.packed, of.first);
  const int64_t ahead = (kBytesAhead + panel.block_step - 1) / panel.block_step * panel.block_step / 4;
  const __m512 table = table_of<kBits>(w, w.zero == BlockZero::middle);
  __m512 sums[kRows][kPanels];
  for (int r = 0; r < kRows; r++)
    for (int p = 0; p < kPanels; p++) sums[r][p] = _mm512_setzero_ps();
  for (int64_t b = 0; b < blocks; b++) {
    __m512 scales[kPanels], zeros[kPanels];
    const uint32_t* codes = panel.codes(b);
    for (int p = 0; p < kPanels; p++) {
      scales[p] = _mm512_loadu_ps(panel.scales(b) + p * panel_words);
      zeros[p] = prepared_zeros<kBits>(w, panel.zeros(b) + p * zero_bytes);
      __builtin_prefetch(panel.scales(b) + p * panel_words + ahead);
    }
    const float* source = of.source + b * w.block;
    const int64_t length = std::min(w.block, w.depth - b * w.block);
    const auto add = [&](int64_t word, int index) UNSKEW_AVX512 __attribute__((always_inline)) {
      const int64_t k = word * kPerWord + index;
      for (int p = 0; p < kPanels; p++) {
        const __m512i all = _mm512_loadu_si512(codes + p * panel_words + word * 16);
        const __m512 value = less_zeros<kBits, kSubtracted>(value_of_codes<kBits>(all, index, table), zeros[p]);
        const __m512 weight = _mm512_mul_ps(value, scales[p]);
        for (int r = 0; r < kRows; r++)
          sums[r][p] = _mm512_fmadd_ps(_mm512_set1_ps(source[r * of.source_step + k]), weight, sums[r][p]);
      }
    };
    const int64_t whole = length / kPerWord;
    for (int64_t word = 0; word < whole; word++) {
      for (int p = 0; p < kPanels; p++) __builtin_prefetch(codes + p * panel_words + word * 16 + ahead);
#pragma GCC unroll 16
      for (int index = 0; index < kPerWord; index++) add(word, index);
    }
    for (int64_t word = whole; word < words && word * kPerWord < length; word++)
      for (int index = 0; word * kPerWord + index < length; index++) add(word, index);
  }
  for (int r = 0; r < kRows; r++) {
    for (int p = 0; p < kPanels; p++) {
      const int64_t columns = std::clamp<int64_t>(of.columns - p * 16, 0, 16);
      const auto mask = static_cast<__mmask16>((1u << columns) - 1);
      _mm512_mask_storeu_ps(of.destination + r * of.destination_step + p * 16, mask, sums[r][p]);
    }
  }
}

// As many panels at once as have sums, weights and factors in registers beside those of the rows.
template <int kBits, Subtracted kSubtracted, int kRows>
void multiply_panels(const BlockRows& of, int64_t panels) {
  constexpr int kAtOnce = kRows <= 4 ? kMostBlockPanels : 2;
  BlockRows rest = of;
  for (int64_t left = panels, now; left > 0; left -= now) {
    now = left >= kAtOnce ? kAtOnce : 1;
    if (now == kAtOnce) multiply<kBits, kSubtracted, kRows, kAtOnce>(rest);
    else multiply<kBits, kSubtracted, kRows, 1>(rest);
    rest.first += now;
    rest.columns -= now * 16;
    rest.destination += now * 16;
  }
}

template <int kBits, Subtracted kSubtracted>
void multiply_rows(const BlockRows& of, int64_t panels, int64_t count) {
  BlockRows rest = of;
  for (int64_t left = count, now; left > 0; left -= now) {
    now = left >= 8 ? 8 : left >= 6 ? 6 : left >= 4 ? 4 : left;
    if (now == 8) multiply_panels<kBits, kSubtracted, 8>(rest, panels);
    else if (now == 6) multiply_panels<kBits, kSubtracted, 6>(rest, panels);
    else if (now == 4) multiply_panels<kBits, kSubtracted, 4>(rest, panels);
    else if (now == 3) multiply_panels<kBits, kSubtracted, 3>(rest, panels);
    else if (now == 2) multiply_panels<kBits, kSubtracted, 2>(rest, panels);
    else multiply_panels<kBits, kSubtracted, 1>(rest, panels);
    rest.source += now * of.source_step;
    rest.destination += now * of.destination_step;
  }
}

template <int kBits>
void multiply_bits(const BlockRows& of, int64_t panels, int64_t count) {
  switch (subtracted_of<kBits>(of.weights->zero)) {
    case Subtracted::nothing: return multiply_rows<kBits, Subtracted::nothing>(of, panels, count);
    case Subtracted::integers: return multiply_rows<kBits, Subtracted::integers>(of, panels, count);
    case Subtracted::floats:
      if constexpr (kBits > 4) multiply_rows<kBits, Subtracted::floats>(of, panels, count);
  }
}

}  // namespace

void multiply_block_rows_avx512(const BlockRows& rows, int64_t panels, int64_t count) {
  switch (rows.weights->bits) {
    case 2: return multiply_bits<2>(rows, panels, count);
    case 4: return multiply_bits<4>(rows, panels, count);
    default: return multiply_bits<8>(rows, panels, count);
  }
}

}  // namespace unskew
