// One to four rows of floats times weights in blocks: codes become floats in registers, each for all rows.
#include "kernels/block_weights.h"
#include "kernels/intrinsics.h"

namespace unskew {

namespace {

// The values of 16 codes. A permutation reads the lowest four bits of an index alone, so that it looks up codes of four bits or fewer, whatever lies above them.
template <int kBits>
UNSKEW_AVX512 inline __m512 value_of_codes(__m512i words, int index, __m512 table) {
  const __m512i codes = index == 0 ? words : _mm512_srli_epi32(words, static_cast<unsigned>(kBits * index));
  if constexpr (kBits <= 4) return _mm512_permutexvar_ps(codes, table);
  else return _mm512_cvtepi32_ps(_mm512_and_si512(codes, _mm512_set1_epi32(255)));
}

UNSKEW_AVX512 inline __m512 load_zeros(const BlockWeights& w, const uint8_t* from) {
  if (w.zero == BlockZero::floats) return _mm512_loadu_ps(from);
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
}

// Levels of a table, or floats of codes, less the middle where this is all that is subtracted.
template <int kBits>
__m512 UNSKEW_AVX512 table_of(const BlockWeights& w, bool is_middle) {
  if (w.table() != nullptr) return _mm512_loadu_ps(w.table());
  const float subtracted = is_middle ? w.middle() : 0.0f;
  alignas(64) float entries[16];
  for (int i = 0; i < 16; i++) entries[i] = static_cast<float>(i & ((1 << std::min(kBits, 4)) - 1)) - subtracted;
  return _mm512_load_ps(entries);
}

// Where all zero points are the middle, the table has subtracted it; else they are subtracted.
template <int kBits, bool kIsMiddle, int kRows, int kPanels>
UNSKEW_AVX512 void multiply(const BlockRows& of) {
  constexpr int kPerWord = 32 / kBits;
  constexpr bool kSubtracts = !kIsMiddle || kBits > 4;
  const BlockWeights& w = *of.weights;
  const int64_t blocks = w.blocks(), words = w.words(), block_bytes = w.block_bytes(), zero_bytes = w.zero_bytes();
  const BlockPanel panel = w.panel(of.packed, of.first);
  const __m512 table = table_of<kBits>(w, kIsMiddle);
  __m512 sums[kRows][kPanels];
  for (int r = 0; r < kRows; r++)
    for (int p = 0; p < kPanels; p++) sums[r][p] = _mm512_setzero_ps();
  for (int64_t b = 0; b < blocks; b++) {
    __m512 scales[kPanels], zeros[kPanels];
    const uint32_t* codes = panel.codes(b);
    if constexpr (kPanels == kMostBlockPanels) fetch_ahead(panel, b);
    for (int p = 0; p < kPanels; p++) {
      scales[p] = _mm512_loadu_ps(panel.scales(b) + p * block_bytes / 4);
      zeros[p] = kIsMiddle ? _mm512_set1_ps(w.middle()) : load_zeros(w, panel.zeros(b) + p * zero_bytes);
    }
    const float* source = of.source + b * w.block;
    const int64_t length = std::min(w.block, w.depth - b * w.block);
    const auto add = [&](int64_t word, int index) UNSKEW_AVX512 __attribute__((always_inline)) {
      const int64_t k = word * kPerWord + index;
      for (int p = 0; p < kPanels; p++) {
        const __m512i all = _mm512_loadu_si512(codes + p * block_bytes / 4 + word * 16);
        __m512 value = value_of_codes<kBits>(all, index, table);
        if (kSubtracts) value = _mm512_sub_ps(value, zeros[p]);
        value = _mm512_mul_ps(value, scales[p]);
        for (int r = 0; r < kRows; r++)
          sums[r][p] = _mm512_fmadd_ps(_mm512_set1_ps(source[r * of.source_step + k]), value, sums[r][p]);
      }
    };
    const int64_t whole = length / kPerWord;
    for (int64_t word = 0; word < whole; word++) {
#pragma GCC unroll 16
      for (int index = 0; index < kPerWord; index++) add(word, index);
    }
    for (int64_t word = whole; word < words && word * kPerWord < length; word++)
      for (int index = 0; word * kPerWord + index < length; index++) add(word, index);
  }
  for (int r = 0; r < kRows; r++) {
    for (int p = 0; p < kPanels; p++) {
      const int64_t columns = std::min<int64_t>(16, of.columns - p * 16);
      const auto mask = static_cast<__mmask16>((1u << columns) - 1);
      _mm512_mask_storeu_ps(of.destination + r * of.destination_step + p * 16, mask, sums[r][p]);
    }
  }
}

template <int kBits, bool kIsMiddle, int kRows>
void multiply_panels(const BlockRows& of, int64_t panels) {
  if (panels == kMostBlockPanels) return multiply<kBits, kIsMiddle, kRows, kMostBlockPanels>(of);
  BlockRows one = of;
  for (int64_t p = 0; p < panels; p++) {
    multiply<kBits, kIsMiddle, kRows, 1>(one);
    one.first++;
    one.columns -= 16;
    one.destination += 16;
  }
}

template <int kBits, bool kIsMiddle>
void multiply_rows(const BlockRows& of, int64_t panels, int64_t count) {
  BlockRows rest = of;
  while (count > 0) {
    const int64_t now = count >= 4 ? 4 : count >= 2 ? 2 : 1;
    if (now == 4) multiply_panels<kBits, kIsMiddle, 4>(rest, panels);
    else if (now == 2) multiply_panels<kBits, kIsMiddle, 2>(rest, panels);
    else multiply_panels<kBits, kIsMiddle, 1>(rest, panels);
    rest.source += now * of.source_step;
    rest.destination += now * of.destination_step;
    count -= now;
  }
}

template <int kBits>
void multiply_bits(const BlockRows& of, int64_t panels, int64_t count) {
  if (of.weights->zero == BlockZero::middle) multiply_rows<kBits, true>(of, panels, count);
  else multiply_rows<kBits, false>(of, panels, count);
}

template <int kBits, bool kIsMiddle>
UNSKEW_AVX512 void dequantize(const BlockWeights& w, const BlockPanel& panel, int64_t first, int64_t count, float* to, int64_t step) {
  constexpr int kPerWord = 32 / kBits;
  constexpr bool kSubtracts = !kIsMiddle || kBits > 4;
  const __m512 table = table_of<kBits>(w, kIsMiddle);
  for (int64_t b = first; b < first + count; b++) {
    const __m512 scales = _mm512_loadu_ps(panel.scales(b));
    const __m512 zeros = kIsMiddle ? _mm512_set1_ps(w.middle()) : load_zeros(w, panel.zeros(b));
    const uint32_t* codes = panel.codes(b);
    const int64_t length = std::min(w.block, w.depth - b * w.block);
    for (int64_t k = 0; k < length; k += kPerWord, codes += 16) {
      const __m512i words = _mm512_loadu_si512(codes);
#pragma GCC unroll 16
      for (int index = 0; index < kPerWord; index++) {
        if (k + index >= length) return;
        __m512 value = value_of_codes<kBits>(words, index, table);
        if (kSubtracts) value = _mm512_sub_ps(value, zeros);
        _mm512_storeu_ps(to, _mm512_mul_ps(value, scales));
        to += step;
      }
    }
  }
}

template <int kBits>
void dequantize_bits(const BlockWeights& w, const BlockPanel& panel, int64_t first, int64_t count, float* to, int64_t step) {
  if (w.zero == BlockZero::middle) dequantize<kBits, true>(w, panel, first, count, to, step);
  else dequantize<kBits, false>(w, panel, first, count, to, step);
}

}  // namespace

void dequantize_blocks_avx512(const BlockWeights* w, const BlockPanel* panel, int64_t first, int64_t count, float* to, int64_t step) {
  switch (w->bits) {
    case 2: return dequantize_bits<2>(*w, *panel, first, count, to, step);
    case 4: return dequantize_bits<4>(*w, *panel, first, count, to, step);
    default: return dequantize_bits<8>(*w, *panel, first, count, to, step);
  }
}

void multiply_block_rows_avx512(const BlockRows& rows, int64_t panels, int64_t count) {
  switch (rows.weights->bits) {
    case 2: return multiply_bits<2>(rows, panels, count);
    case 4: return multiply_bits<4>(rows, panels, count);
    default: return multiply_bits<8>(rows, panels, count);
  }
}

}  // namespace unskew
