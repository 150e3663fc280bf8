// Weights of few bits in blocks along the depth, as kernels read them: packed in memory, with the factors of a block behind its codes.
//
// A panel holds 16 columns: of a block the codes, a word of 32 bits for each column in turn, whose lowest bits are the first of 32 / bits codes
// along the depth, and 16 scales. Four panels, or the fewer last ones, are a group, which is read from its beginning to its end: block by block, and of
// each block panel by panel; then the zero points in the same order.
#pragma once

#include "kernels/elementwise.h"

namespace unskew {

// What is subtracted from codes: the middle of their range, or bytes or floats of the weights.
enum class BlockZero { middle, bytes, floats };
// Codes stand for themselves less a zero point, or for the 16 levels of a table, which have none: see src/numerics/blocks.ts.
enum class BlockLevels { affine, fp4, nf4 };

struct BlockPanel;

struct BlockWeights {
  static constexpr int64_t kLanes = 16, kGroup = 4;

  int64_t depth, columns, block;
  int bits;
  BlockZero zero;
  BlockLevels levels = BlockLevels::affine;

  int64_t blocks() const { return (depth + block - 1) / block; }
  int64_t panels() const { return (columns + kLanes - 1) / kLanes; }
  // Of a column in a block, and codes in each of them.
  int64_t words() const { return block * bits / 32; }
  int64_t codes_per_word() const { return 32 / bits; }
  int64_t block_bytes() const { return (words() + 1) * kLanes * 4; }
  int64_t zero_bytes() const { return zero == BlockZero::middle ? 0 : zero == BlockZero::bytes ? kLanes : 4 * kLanes; }
  int64_t group_bytes(int64_t group_panels) const {
    return (checked_product(group_panels, blocks(), checked_add(block_bytes(), zero_bytes())) + 63) / 64 * 64;
  }
  int64_t bytes() const {
    const int64_t last = panels() % kGroup;
    return checked_add(checked_product(panels() / kGroup, group_bytes(kGroup)), last == 0 ? 0 : group_bytes(last));
  }
  float middle() const { return static_cast<float>(1 << (bits - 1)); }

  // The 16 levels; nothing where codes are affine.
  const float* table() const;
  BlockPanel panel(const uint8_t* weights, int64_t index) const;
};

// One panel: its first block, its first zero points, and the bytes from block to block.
struct BlockPanel {
  const uint8_t *first, *first_zeros;
  int64_t block_step, zero_step, codes_bytes;

  const uint32_t* codes(int64_t b) const { return reinterpret_cast<const uint32_t*>(first + b * block_step); }
  const float* scales(int64_t b) const { return reinterpret_cast<const float*>(first + b * block_step + codes_bytes); }
  const uint8_t* zeros(int64_t b) const { return first_zeros + b * zero_step; }
};

inline BlockPanel BlockWeights::panel(const uint8_t* weights, int64_t index) const {
  const int64_t group = index / kGroup, at = index % kGroup, count = std::min(kGroup, panels() - group * kGroup);
  const uint8_t* start = weights + group * group_bytes(kGroup);
  return {start + at * block_bytes(), start + count * blocks() * block_bytes() + at * zero_bytes(), count * block_bytes(),
          count * zero_bytes(), words() * kLanes * 4};
}

// Weights as in files: codes [column][block][byte], the lowest bits first, scales [column][block], and zero points likewise, as floats or packed as codes are.
struct BlockSource {
  const uint8_t* codes;
  const float* scales;
  const uint8_t* zeros;
};
void arrange_blocks(const BlockWeights& weights, const BlockSource& from, uint8_t* to);

// A processor alone looks no further ahead than the end of a page.
inline constexpr int64_t kBytesAhead = 4096;

// Asks for the blocks of a group that are read in a while.
UNSKEW_INLINE void fetch_ahead(const BlockPanel& panel, int64_t b) {
  const uint8_t* from = panel.first + b * panel.block_step + kBytesAhead;
  for (int64_t at = 0; at < panel.block_step; at += 64) __builtin_prefetch(from + at);
}

// The zero points of a block as floats.
UNSKEW_INLINE void zeros_of(const BlockWeights& w, const BlockPanel& panel, int64_t b, float* zeros) {
  const uint8_t* from = panel.zeros(b);
  for (int64_t lane = 0; lane < BlockWeights::kLanes; lane++) {
    if (w.zero == BlockZero::middle) zeros[lane] = w.middle();
    else if (w.zero == BlockZero::bytes) zeros[lane] = static_cast<float>(from[lane]);
    else zeros[lane] = reinterpret_cast<const float*>(from)[lane];
  }
}

// Blocks of a panel as floats, fl((code − zero point)·scale) or fl(level·scale): the weights of position k lie at to + k·step, k from the first block on.
using DequantizeBlocks = void (*)(const BlockWeights* weights, const BlockPanel* panel, int64_t first, int64_t count, float* to,
                                  int64_t step);

// Rows of floats times a few panels, summed as kernels/fused_product.h does.
struct BlockRows {
  const BlockWeights* weights;
  const uint8_t* packed;
  int64_t first;  // panel, and the columns from there on
  int64_t columns;
  const float* source;
  int64_t source_step;
  float* destination;
  int64_t destination_step;
};
inline constexpr int64_t kMostBlockPanels = 4;
// Up to 4 panels.
void multiply_block_rows_avx512(const BlockRows& rows, int64_t panels, int64_t count);

// Rows as bytes, each block with a scale of its own: see src/numerics/blocks.ts. Bytes lie in the order in which codes of a word are met:
// first those of the lowest bits of its bytes.
struct ByteRows {
  const int8_t* bytes;     // [row][blocks·block]
  const float* scales;     // [row][blocks]
  const int32_t* sums;     // [row][blocks]
};
using QuantizeBlocks = void (*)(const BlockWeights* weights, const float* row, int8_t* bytes, float* scales, int32_t* sums);
QuantizeBlocks quantize_blocks(Isa isa);
// destination[row, column] over `count` rows and the columns of up to 4 panels.
struct ByteBlocks {
  const BlockWeights* weights;
  const uint8_t* packed;
  int64_t first;  // panel, and the columns from there on
  int64_t columns;
  ByteRows rows;
  float* destination;
  int64_t destination_step;
  bool fetches = false;  // the first to read a group
};
using MultiplyByteBlocks = void (*)(const ByteBlocks* given, int64_t panels, int64_t count);
MultiplyByteBlocks multiply_byte_blocks(Isa isa);

}  // namespace unskew
