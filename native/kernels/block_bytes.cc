// Rows that are quantized by blocks, times weights in blocks: sums of a block in integers, exact, then in binary32 from block to block.
#include "kernels/block_weights.h"
#include "kernels/intrinsics.h"

namespace unskew {

namespace {

constexpr int64_t kLanes = BlockWeights::kLanes;

// Bytes in the order in which codes of a word are met: a word has one code in each of its bytes' lowest bits, which come first.
template <int kBits>
UNSKEW_INLINE void reorder_as(const int8_t* from, int8_t* to, int64_t count) {
  constexpr int64_t kGroups = 8 / kBits, kPerWord = 32 / kBits;
  for (int64_t word = 0; word < count; word += kPerWord)
    for (int64_t group = 0; group < kGroups; group++)
      for (int64_t byte = 0; byte < 4; byte++) to[word + 4 * group + byte] = from[word + kGroups * byte + group];
}
// Sixteen or 32 of them.
UNSKEW_INLINE void reorder(int bits, const int8_t* from, int8_t* to, int64_t count) {
  typedef int8_t Bytes __attribute__((vector_size(32)));
  if (bits == 8) {
    std::memcpy(to, from, static_cast<size_t>(count));
  } else if (bits == 4 && count == 32) {
    Bytes bytes;
    std::memcpy(&bytes, from, 32);
    bytes = __builtin_shuffle(bytes, Bytes{0,  2,  4,  6,  1,  3,  5,  7,  8,  10, 12, 14, 9,  11, 13, 15,
                                           16, 18, 20, 22, 17, 19, 21, 23, 24, 26, 28, 30, 25, 27, 29, 31});
    std::memcpy(to, &bytes, 32);
  } else if (bits == 4) {
    reorder_as<4>(from, to, count);
  } else {
    reorder_as<2>(from, to, count);
  }
}

struct QuantizeRow {
  UNSKEW_INLINE static void run(const BlockWeights* weights, const float* row, int8_t* bytes, float* scales, int32_t* sums) {
    const BlockWeights w = *weights;
    for (int64_t b = 0, blocks = w.blocks(); b < blocks; b++) {
      const float* from = row + b * w.block;
      int8_t* to = bytes + b * w.block;
      const int64_t length = std::min(w.block, w.depth - b * w.block);
      // As integers, magnitudes are in the order of floats, and NaN is the greatest.
      int32_t range_bits = 0;
      for (int64_t k = 0; k < length; k++) {
        int32_t own = 0;
        std::memcpy(&own, from + k, 4);
        own &= INT32_MAX;
        range_bits = own > range_bits ? own : range_bits;
      }
      float range = 0;
      std::memcpy(&range, &range_bits, 4);
      const float inverse = 127.0f / range;
      const bool is_finite = range_bits < 0x7f800000, is_zero = !(inverse <= 0x1.fffffep127f) && is_finite;
      scales[b] = is_zero ? 0.0f : is_finite ? range / 127.0f : __builtin_nanf("");
      if (is_zero || !is_finite) {
        std::memset(to, 0, static_cast<size_t>(w.block));
        sums[b] = 0;
        continue;
      }
      int8_t ordered[32];
      int32_t sum = 0;
      for (int64_t first = 0; first < w.block; first += 32) {
        const int64_t here = std::min<int64_t>(32, w.block - first), own = std::clamp<int64_t>(length - first, 0, here);
        if (own == 32) {
          for (int64_t k = 0; k < 32; k++) {
            const int32_t q = round_to_int(clamp_float(from[first + k] * inverse, -127.0f, 127.0f));
            ordered[k] = static_cast<int8_t>(q);
            sum += q;
          }
        } else {
          for (int64_t k = 0; k < here; k++) {
            const int32_t q = k < own ? round_to_int(clamp_float(from[first + k] * inverse, -127.0f, 127.0f)) : 0;
            ordered[k] = static_cast<int8_t>(q);
            sum += q;
          }
        }
        reorder(w.bits, ordered, to + first, here);
      }
      sums[b] = sum;
    }
  }
};

// One panel and one row at a time.
struct MultiplyPlainly {
  UNSKEW_INLINE static void run(const ByteBlocks* given, int64_t panels, int64_t count) {
    const ByteBlocks of = *given;
    const BlockWeights w = *of.weights;
    const int64_t blocks = w.blocks();
    const uint32_t mask = (1u << w.bits) - 1;
    for (int64_t p = 0; p < panels; p++) {
      const BlockPanel panel = w.panel(of.packed, of.first + p);
      const int64_t columns = std::min(kLanes, of.columns - p * kLanes);
      for (int64_t r = 0; r < count; r++) {
        float totals[kLanes] = {};
        for (int64_t b = 0; b < blocks; b++) {
          const int8_t* bytes = of.rows.bytes + (r * blocks + b) * w.block;
          const uint32_t* words = panel.codes(b);
          float zeros[kLanes];
          zeros_of(w, panel, b, zeros);
          int32_t sums[kLanes];
          const int32_t sum = of.rows.sums[r * blocks + b];
          for (int64_t lane = 0; lane < kLanes; lane++) sums[lane] = -sum * static_cast<int32_t>(zeros[lane]);
          for (int64_t word = 0; word < w.words(); word++) {
            for (int at = 0; at < w.codes_per_word(); at++) {
              const int shift = at % 4 * 8 + at / 4 * w.bits;
              const int32_t q = bytes[word * w.codes_per_word() + at];
              for (int64_t lane = 0; lane < kLanes; lane++)
                sums[lane] += q * static_cast<int32_t>(words[word * kLanes + lane] >> shift & mask);
            }
          }
          const float scale = of.rows.scales[r * blocks + b];
          const float* scales = panel.scales(b);
          for (int64_t lane = 0; lane < kLanes; lane++)
            totals[lane] = __builtin_fmaf(static_cast<float>(sums[lane]), scale * scales[lane], totals[lane]);
        }
        std::memcpy(of.destination + r * of.destination_step + p * kLanes, totals, static_cast<size_t>(columns) * 4);
      }
    }
  }
};

// Registers of kRows × kPanels: sums of a block, and totals.
template <int kBits, bool kIsMiddle, int kRows, int kPanels>
UNSKEW_AVX512 void multiply(const ByteBlocks& of) {
  constexpr int kGroups = 8 / kBits;
  const BlockWeights& w = *of.weights;
  const int64_t block_bytes = w.block_bytes(), blocks = w.blocks(), words = w.words(), row_bytes = blocks * w.block;
  const BlockPanel panel = w.panel(of.packed, of.first);
  const __m512i mask = _mm512_set1_epi8(static_cast<char>((1 << kBits) - 1));
  const int32_t middle = 1 << (kBits - 1);
  __m512 totals[kRows][kPanels];
  for (int r = 0; r < kRows; r++)
    for (int p = 0; p < kPanels; p++) totals[r][p] = _mm512_setzero_ps();
  const uint8_t* panels = panel.first;
  for (int64_t b = 0; b < blocks; b++, panels += panel.block_step) {
    if (of.fetches) fetch_ahead(panel, b);
    __m512i sums[kRows][kPanels];
    const int32_t* own_sums = of.rows.sums + b;
    if constexpr (kIsMiddle) {
      for (int r = 0; r < kRows; r++) {
        const __m512i start = _mm512_set1_epi32(-middle * own_sums[r * blocks]);
        for (int p = 0; p < kPanels; p++) sums[r][p] = start;
      }
    } else {
      for (int p = 0; p < kPanels; p++) {
        const uint8_t* zeros = panel.zeros(b) + p * w.zero_bytes();
        const __m512i negated = _mm512_sub_epi32(
            _mm512_setzero_si512(), _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(zeros))));
        for (int r = 0; r < kRows; r++) sums[r][p] = _mm512_mullo_epi32(negated, _mm512_set1_epi32(own_sums[r * blocks]));
      }
    }
    const int8_t* bytes = of.rows.bytes + b * w.block;
    for (int64_t word = 0; word < words; word++, bytes += 32 / kBits) {
      __m512i codes[kPanels];
      for (int p = 0; p < kPanels; p++) codes[p] = _mm512_loadu_si512(panels + p * block_bytes + word * 64);
#pragma GCC unroll 4
      for (int group = 0; group < kGroups; group++) {
        __m512i own[kPanels];
        for (int p = 0; p < kPanels; p++)
          own[p] = kBits == 8 ? codes[p]
                              : _mm512_and_si512(_mm512_srli_epi32(codes[p], static_cast<unsigned>(kBits * group)), mask);
        for (int r = 0; r < kRows; r++) {
          int32_t four = 0;
          std::memcpy(&four, bytes + r * row_bytes + 4 * group, 4);
          for (int p = 0; p < kPanels; p++) sums[r][p] = _mm512_dpbusd_epi32(sums[r][p], own[p], _mm512_set1_epi32(four));
        }
      }
    }
    for (int p = 0; p < kPanels; p++) {
      const __m512 scales = _mm512_loadu_ps(panels + p * block_bytes + words * 64);
      for (int r = 0; r < kRows; r++) {
        const __m512 scale = _mm512_mul_ps(_mm512_set1_ps(of.rows.scales[r * blocks + b]), scales);
        totals[r][p] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[r][p]), scale, totals[r][p]);
      }
    }
  }
  for (int r = 0; r < kRows; r++) {
    for (int p = 0; p < kPanels; p++) {
      const auto lanes = static_cast<__mmask16>((1u << std::min<int64_t>(16, of.columns - p * 16)) - 1);
      _mm512_mask_storeu_ps(of.destination + r * of.destination_step + p * 16, lanes, totals[r][p]);
    }
  }
}

ByteBlocks behind(const ByteBlocks& of, int64_t panels, int64_t rows, bool fetches) {
  const int64_t blocks = of.weights->blocks();
  ByteBlocks next = of;
  next.fetches = fetches;
  next.first += panels;
  next.columns -= panels * kLanes;
  next.rows = {of.rows.bytes + rows * blocks * of.weights->block, of.rows.scales + rows * blocks, of.rows.sums + rows * blocks};
  next.destination += rows * of.destination_step + panels * kLanes;
  return next;
}

template <int kBits, bool kIsMiddle>
struct Versions {
  using Run = void (*)(const ByteBlocks&);
  static constexpr int kMostRows = 12;

  template <size_t... kRow>
  static Run of_one_panel(int64_t rows, std::index_sequence<kRow...>) {
    static constexpr Run runs[] = {multiply<kBits, kIsMiddle, kRow + 1, 1>...};
    return runs[rows - 1];
  }
  static void run(const ByteBlocks& of, int64_t panels, int64_t count) {
    if (count == 1 && panels == kMostBlockPanels) return multiply<kBits, kIsMiddle, 1, kMostBlockPanels>(behind(of, 0, 0, true));
    const int64_t parts = (count + kMostRows - 1) / kMostRows;
    for (int64_t p = 0; p < panels; p++) {
      for (int64_t i = 0; i < parts; i++) {
        const int64_t first = count * i / parts, rows = count * (i + 1) / parts - first;
        of_one_panel(rows, std::make_index_sequence<kMostRows>{})(behind(of, p, first, p == 0 && i == 0));
      }
    }
  }
};

void multiply_avx512(const ByteBlocks* of, int64_t panels, int64_t count) {
  const bool is_middle = of->weights->zero == BlockZero::middle;
  switch (of->weights->bits) {
    case 2: return is_middle ? Versions<2, true>::run(*of, panels, count) : Versions<2, false>::run(*of, panels, count);
    case 4: return is_middle ? Versions<4, true>::run(*of, panels, count) : Versions<4, false>::run(*of, panels, count);
    default: return is_middle ? Versions<8, true>::run(*of, panels, count) : Versions<8, false>::run(*of, panels, count);
  }
}

}  // namespace

QuantizeBlocks quantize_blocks(Isa isa) { return version_of<QuantizeRow>(isa); }
MultiplyByteBlocks multiply_byte_blocks(Isa isa) {
  return isa == Isa::avx512 ? multiply_avx512 : version_of<MultiplyPlainly>(isa);
}

}  // namespace unskew
