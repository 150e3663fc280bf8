#include "kernels/intrinsics.h"

#include <cstring>

#include "kernels/kernels.h"

namespace unskew {

namespace {

constexpr int64_t kBlock = 16;

// u8 = s8 + 128 is the other top bit.
void gather_row(const uint8_t* source, uint8_t* destination, const std::vector<int64_t>& lanes, uint8_t flip) {
  for (size_t lane = 0; lane < lanes.size(); lane++) destination[lane] = source[lanes[lane]] ^ flip;
}

// 16 bytes of the source from `from` on, shuffled: bytes that the mask does not pick are 0.
struct Term {
  int64_t from;
  std::array<uint8_t, kBlock> mask;
};

// 16 lanes from `to` on: the terms together pick every one of them once.
struct Block {
  int64_t to;
  std::vector<Term> terms;
};

// Some rows at once, seen as one long row, so that it has a block at least.
struct Blocks {
  int64_t rows = 1;
  std::vector<Block> blocks;

  Blocks(const std::vector<int64_t>& one_row, int64_t channels) {
    const auto count = static_cast<int64_t>(one_row.size());
    rows = (kBlock + std::min(count, channels) - 1) / std::min(count, channels);
    std::vector<int64_t> lanes;
    for (int64_t row = 0; row < rows; row++) {
      for (const int64_t channel : one_row) lanes.push_back(row * channels + channel);
    }
    const int64_t last = static_cast<int64_t>(lanes.size()) - kBlock, last_source = rows * channels - kBlock;
    for (int64_t to = 0; to < last + kBlock; to += kBlock) {
      // The last block overlaps the one before it.
      Block block{std::min(to, last), {}};
      std::array<bool, kBlock> done{};
      const int64_t* read = &lanes[static_cast<size_t>(block.to)];
      for (int64_t first = 0; first < kBlock; first++) {
        if (done[static_cast<size_t>(first)]) continue;
        int64_t from = read[first];
        for (int64_t i = first; i < kBlock; i++) {
          if (!done[static_cast<size_t>(i)] && read[i] < from && read[first] - read[i] < kBlock) from = read[i];
        }
        Term term{std::min(from, last_source), {}};
        for (int64_t i = 0; i < kBlock; i++) {
          const int64_t at = read[i] - term.from;
          const bool picks = !done[static_cast<size_t>(i)] && at >= 0 && at < kBlock;
          term.mask[static_cast<size_t>(i)] = picks ? static_cast<uint8_t>(at) : 0x80;
          if (picks) done[static_cast<size_t>(i)] = true;
        }
        block.terms.push_back(term);
      }
      blocks.push_back(std::move(block));
    }
  }
};

UNSKEW_AVX2 void gather_blocks(const uint8_t* source, uint8_t* destination, const std::vector<Block>& blocks,
                               uint8_t flip) {
  const __m128i flipped = _mm_set1_epi8(static_cast<char>(flip));
  for (const Block& block : blocks) {
    __m128i bytes = flipped;
    for (const Term& term : block.terms) {
      const __m128i read = _mm_loadu_si128(reinterpret_cast<const __m128i*>(source + term.from));
      const __m128i mask = _mm_loadu_si128(reinterpret_cast<const __m128i*>(term.mask.data()));
      bytes = _mm_xor_si128(bytes, _mm_shuffle_epi8(read, mask));
    }
    _mm_storeu_si128(reinterpret_cast<__m128i*>(destination + block.to), bytes);
  }
}

}  // namespace

KernelProgram make_gather_channels(const GatherChannelsParams& params, const KernelTarget& target) {
  const auto count = static_cast<int64_t>(params.lanes.size());
  require(count > 0, "gather-channels: lanes must not be empty");
  for (const int64_t channel : params.lanes) {
    require(channel >= 0 && channel < params.channels,
            "gather-channels: lanes must name channels below " + std::to_string(params.channels));
  }
  KernelProgram program;
  program.arguments = {{.name = "source", .bytes = checked_multiply(params.rows, params.channels)},
                       {.name = "destination", .bytes = checked_multiply(params.rows, count), .access = Access::write}};
  const uint8_t flip = params.flip ? 0x80 : 0;
  const auto one_by_one = [=, lanes = params.lanes, channels = params.channels](Addresses a, int64_t begin,
                                                                                int64_t end) {
    for (int64_t row = begin; row < end; row++) gather_row(a[0] + row * channels, a[1] + row * count, lanes, flip);
  };
  if (target.isa == Isa::scalar) {
    program.run = [=, rows = params.rows, threads = target.threads](Addresses a) {
      parallel(threads, rows, count, 1, [&](int64_t begin, int64_t end, int) { one_by_one(a, begin, end); });
    };
    return program;
  }
  program.run = [=, blocks = Blocks(params.lanes, params.channels), channels = params.channels, rows = params.rows,
                 threads = target.threads](Addresses a) {
    parallel(threads, rows, count, 1, [&](int64_t begin, int64_t end, int) {
      int64_t row = begin;
      for (; row + blocks.rows <= end; row += blocks.rows) {
        gather_blocks(a[0] + row * channels, a[1] + row * count, blocks.blocks, flip);
      }
      one_by_one(a, row, end);
    });
  };
  return program;
}

}  // namespace unskew
