// Arranges weights of a file for kernels.
#include "kernels/block_weights.h"

namespace unskew {

void arrange_blocks(const BlockWeights& w, const BlockSource& from, uint8_t* to) {
  const int64_t blocks = w.blocks(), words = w.words(), zero_line = (blocks * w.bits + 7) / 8, each = 8 / w.bits;
  const auto mask = static_cast<uint8_t>((1u << w.bits) - 1);
  std::memset(to, 0, static_cast<size_t>(w.bytes()));
  for (int64_t p = 0; p < w.panels(); p++) {
    const BlockPanel panel = w.panel(to, p);
    const int64_t first = p * BlockWeights::kLanes, lanes = std::min(BlockWeights::kLanes, w.columns - first);
    for (int64_t b = 0; b < blocks; b++) {
      auto* codes = const_cast<uint32_t*>(panel.codes(b));
      auto* scales = const_cast<float*>(panel.scales(b));
      auto* zeros = const_cast<uint8_t*>(panel.zeros(b));
      for (int64_t lane = 0; lane < lanes; lane++) {
        const int64_t column = first + lane, at = column * blocks + b;
        const uint8_t* own = from.codes + at * words * 4;
        for (int64_t word = 0; word < words; word++) std::memcpy(codes + word * BlockWeights::kLanes + lane, own + 4 * word, 4);
        scales[lane] = from.scales[at];
        if (w.zero == BlockZero::bytes) zeros[lane] = from.zeros[column * zero_line + b / each] >> (b % each * w.bits) & mask;
        else if (w.zero == BlockZero::floats) std::memcpy(zeros + 4 * lane, from.zeros + at * 4, 4);
      }
    }
  }
}

}  // namespace unskew
