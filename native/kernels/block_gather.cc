// Rows of a table of codes of few bits, as floats: qnn.block_gather.
#include "kernels/block_product.h"

namespace unskew {

namespace {

struct Row {
  const uint8_t *codes, *zeros;
  const float* scales;
};

// fl((code − zero point)·scale) of a row.
struct DequantizeRow {
  UNSKEW_INLINE static void run(const BlockGatherParams* given, const Row* given_row, float* to) {
    const BlockGatherParams p = *given;
    const Row row = *given_row;
    const auto mask = static_cast<uint8_t>((1u << p.bits) - 1);
    const int64_t each = 8 / p.bits;
    for (int64_t first = 0, b = 0; first < p.length; first += p.block, b++) {
      int32_t zero = 1 << (p.bits - 1);
      if (row.zeros != nullptr) zero = row.zeros[b / each] >> (b % each * p.bits) & mask;
      const float scale = row.scales[b];
      const int64_t count = std::min(p.block, p.length - first);
      const uint8_t* codes = row.codes + first / each;
      if (p.bits == 4) {
        for (int64_t i = 0; i < count / 2; i++) {
          to[first + 2 * i] = static_cast<float>((codes[i] & 15) - zero) * scale;
          to[first + 2 * i + 1] = static_cast<float>((codes[i] >> 4) - zero) * scale;
        }
      } else {
        for (int64_t k = 0; k < count; k++)
          to[first + k] = static_cast<float>((codes[k / each] >> (k % each * p.bits) & mask) - zero) * scale;
      }
    }
  }
};

}  // namespace

KernelProgram make_block_gather(const BlockGatherParams& p, const KernelTarget& target) {
  require(p.bits == 2 || p.bits == 4 || p.bits == 8, "block-gather: bits are 2, 4 or 8");
  require(p.block >= 16 && p.block % 16 == 0, "block-gather: a block holds a multiple of 16");
  const int64_t each = 8 / p.bits;
  require(p.length % each == 0, "block-gather: a row is whole bytes");
  const int64_t bytes = p.length / each, blocks = (p.length + p.block - 1) / p.block, zero_bytes = (blocks + each - 1) / each;
  KernelProgram program;
  program.arguments = {
      {.name = "source", .bytes = checked_product(p.rows, bytes)},
      {.name = "indices", .bytes = checked_product(p.count, p.is_wide ? 8 : 4), .alignment = p.is_wide ? 8 : 4},
      {.name = "scale", .bytes = checked_product(p.rows, blocks, 4), .alignment = 4},
      {.name = "zeroPoint", .bytes = checked_product(p.rows, zero_bytes), .required = false},
      {.name = "destination", .bytes = checked_product(p.count, p.length, 4), .access = Access::write, .alignment = 4}};
  program.run = [=, dequantize = version_of<DequantizeRow>(target.isa), threads = target.threads](Addresses a) {
    parallel(threads, p.count, p.length * 4, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; i++) {
        const int64_t given = p.is_wide ? reinterpret_cast<const int64_t*>(a[1])[i] : reinterpret_cast<const int32_t*>(a[1])[i];
        auto* to = reinterpret_cast<float*>(a[4]) + i * p.length;
        if (given < -p.rows || given >= p.rows) {
          std::fill_n(to, p.length, 0.0f);
          continue;
        }
        const int64_t at = given < 0 ? given + p.rows : given;
        const Row row{a[0] + at * bytes, a[3] == nullptr ? nullptr : a[3] + at * zero_bytes,
                      reinterpret_cast<const float*>(a[2]) + at * blocks};
        dequantize(&p, &row, to);
      }
    });
  };
  return program;
}

}  // namespace unskew
