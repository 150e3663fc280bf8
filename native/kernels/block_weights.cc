// Arranges weights of a file for kernels.
#include "kernels/block_weights.h"

namespace unskew {

const float* BlockWeights::table() const {
  static constexpr float kFp4[] = {0.0f,  0x1.555556p-8f,  0x1.555556p-1f,  1.0f,  0x1.555556p-2f,  0.5f,  0x1.555556p-3f,  0.25f,
                                   -0.0f, -0x1.555556p-8f, -0x1.555556p-1f, -1.0f, -0x1.555556p-2f, -0.5f, -0x1.555556p-3f, -0.25f};
  static constexpr float kNf4[] = {-1.0f,
                                   -0.6961928009986877f,
                                   -0.5250730514526367f,
                                   -0.39491748809814453f,
                                   -0.28444138169288635f,
                                   -0.18477343022823334f,
                                   -0.09105003625154495f,
                                   0.0f,
                                   0.07958029955625534f,
                                   0.16093020141124725f,
                                   0.24611230194568634f,
                                   0.33791524171829224f,
                                   0.44070982933044434f,
                                   0.5626170039176941f,
                                   0.7229568362236023f,
                                   1.0f};
  return levels == BlockLevels::affine ? nullptr : levels == BlockLevels::fp4 ? kFp4 : kNf4;
}

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
