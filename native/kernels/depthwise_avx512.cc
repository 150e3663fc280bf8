// Depthwise convolution with VNNI. vpdpbusd adds four products of bytes per 32-bit lane; here the four are kernel rows
// of one channel. So input columns are first interleaved, four rows at a time, into a scratch that stays in L1; each
// interleaved column then serves every output column whose window it is in.
//
//   scratch[column][rows/4] = bytes (row 0, row 1, row 2, row 3) for each channel     taps outside: the source zero point
//   acc[channel] = base[channel] + Σ over kernel columns and row groups of scratch · weights
//
// Where kernels have three rows, the fourth byte is the last row of the next output row: two rows share a scratch.
//
// Weights less their zero point may have nine bits: then each is the sum of two bytes, and both are multiplied.
#include "kernels/depthwise_avx512.h"

namespace unskew {

namespace {

constexpr int64_t kScratchBytes = 16 * 1024;   // of a tile, to stay in L1
constexpr int64_t kScratchLimit = 512 * 1024;  // beyond that (huge dilations) another version serves

// The bytes of the input channels that a block's output channels read, one for each output channel.
void expand_scalar(const uint8_t* input, const uint8_t* index, uint8_t* output, int64_t) {
  for (int64_t c = 0; c < 64; c++) output[c] = input[index[c]];
}

UNSKEW_AVX512_VBMI void expand_avx512(const uint8_t* input, const uint8_t* index, uint8_t* output, int64_t inputs) {
  const __m512i bytes = _mm512_maskz_loadu_epi8((__mmask64{1} << inputs) - 1, input);  // inputs < 64
  _mm512_store_si512(output, _mm512_permutexvar_epi8(_mm512_load_si512(index), bytes));
}

// One output row of one block.
template <class Block>
struct Row {
  const DepthwisePlan& plan;
  const uint8_t* source;
  uint8_t* destination;
  int64_t row, block, groups;
  __m512i* scratch;
  uint8_t* expansion;

  // Kernel row `tap` of the window, or null outside the input.
  const uint8_t* input_row(int64_t tap) const {
    const DepthwiseParams& p = plan.p;
    const int64_t y = plan.input_row(row, tap);
    if (tap >= p.kernel[0] + plan.rows - 1 || y < 0 || y >= p.input[0]) return nullptr;
    return source + (row / p.output[0] * p.input[0] + y) * p.input[1] * p.channels;
  }

  // With a multiplier over 1: the columns of a row inside the input, one byte for each output channel.
  const uint8_t* expanded(int64_t tap, int64_t first, int64_t count) const {
    const DepthwiseParams& p = plan.p;
    const uint8_t* from = input_row(tap);
    const int64_t output = plan.begin + block * Block::kWidth, input = output / p.multiplier;
    const int64_t last = std::min(output + Block::kWidth, plan.end) - 1;
    alignas(64) uint8_t index[64] = {};
    for (int64_t c = 0; c <= last - output; c++) index[c] = static_cast<uint8_t>((output + c) / p.multiplier - input);
    const auto expand = has_vbmi() ? expand_avx512 : expand_scalar;
    uint8_t* to = expansion + tap % 4 * count * 64;
    for (int64_t column = 0; column < count; column++) {
      const int64_t x = first + column;
      if (x >= 0 && x < p.input[1])
        expand(from + x * p.channels + input, index, to + column * 64, last / p.multiplier - input + 1);
    }
    return to;
  }

  // Interleaves the input columns [first, first + count) of the row's windows. kPlain: whole blocks of u8.
  template <bool kPlain>
  UNSKEW_AVX512 void interleave_columns(int64_t first, int64_t count) const {
    const DepthwiseParams& p = plan.p;
    const int64_t output = plan.begin + block * Block::kWidth, stride = groups * Block::kVectors;
    const __mmask64 mask = p.multiplier > 1 ? first_lanes(64) : first_lanes(std::min(Block::kWidth, plan.end - output));
    const __m512i flip = _mm512_set1_epi8(p.source_type == ByteType::s8 ? -128 : 0);
    const __m512i outside = _mm512_xor_si512(_mm512_load_si512(plan.padding->data()), flip);
    const int64_t begin = std::clamp<int64_t>(-first, 0, count), end = std::clamp(p.input[1] - first, begin, count);
    for (int64_t group = 0; group < groups; group++) {
      __m512i* to = scratch + group * Block::kVectors;
      for (int64_t column = 0; column < count; column++) {
        if (column == begin) column = end;
        for (int v = 0; v < Block::kVectors && column < count; v++)
          _mm512_store_si512(to + column * stride + v, outside);
      }
      const uint8_t* rows[4];
      int64_t steps[4];
      for (int64_t i = 0; i < 4; i++) {
        const int64_t tap = group * 4 + i;
        const uint8_t* from = input_row(tap);
        if (from == nullptr) {
          rows[i] = plan.padding->data(), steps[i] = 0;
        } else if (p.multiplier > 1) {
          rows[i] = expanded(tap, first, count) + begin * 64, steps[i] = 64;
        } else {
          rows[i] = from + (first + begin) * p.channels + output, steps[i] = p.channels;
        }
      }
      const auto [a, b, c, d] = rows;
      const auto [step_a, step_b, step_c, step_d] = steps;
      const auto load = [&](const uint8_t* from) __attribute__((always_inline)) UNSKEW_AVX512 {
        return kPlain ? Block::load(from) : _mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, from), flip);
      };
      to += begin * stride;
      for (int64_t column = 0; column < end - begin; column++, to += stride) {
        Block::interleave(load(a + column * step_a), load(b + column * step_b), load(c + column * step_c),
                          load(d + column * step_d), to);
      }
    }
  }

  const float* lanes(const std::unique_ptr<AlignedBuffer>& of) const {
    return of == nullptr ? nullptr : of->as<float>() + block * Block::kWidth;
  }

  template <class Size>
  const __m512i* weights_of(const Size& size, int64_t next, int64_t part) const {
    return plan.weights->as<__m512i>() +
           ((next * 2 + part) * plan.blocks() + block) * size.taps() * size.groups() * Block::kVectors;
  }

  // The output columns [x, x + width), whose first window starts at scratch column 0, of output row `row` + next.
  template <class Size, OutputType kType, ByteEnd kEnd>
  UNSKEW_AVX512 void outputs(int64_t x, int64_t width, int64_t next) const {
    const int64_t first = plan.begin + block * Block::kWidth;
    const Size size(plan.p, groups);
    const Columns<Block, Size, kType, kEnd> columns = {
        .size = size,
        .scratch = scratch,
        .weights = weights_of(size, next, 0),
        .second = weights_of(size, next, 1),
        .base = plan.base->as<__m512i>() + block * Block::kVectors,
        .finish = Finish(plan.p.to),
        .factors = {lanes(plan.multiplier), lanes(plan.scale), lanes(plan.offset)},
        .floats = FloatFinish(plan.p.floats.value_or(ScaledEnd{})),
        .destination =
            destination + (((row + next) * plan.p.output[1] + x) * plan.outputs + first) * (kType == OutputType::s32 ? 4 : 1),
        .outputs = plan.outputs,
        .mask = first_lanes(std::min(Block::kWidth, plan.end - first))};
    int64_t at = 0;
    for (; at + Block::kColumns <= width; at += Block::kColumns) columns.template run<Block::kColumns>(at);
    if (at == width) return;
    if (width >= Block::kColumns) {  // the last ones once more, rather than one by one
      columns.template run<Block::kColumns>(width - Block::kColumns);
    } else {
      for (; at < width; at++) columns.template run<1>(at);
    }
  }
};

template <class Block, class Size, OutputType kType, ByteEnd kEnd>
void compute(const DepthwisePlan& plan, const uint8_t* source, uint8_t* destination, int64_t row, int64_t block,
             int thread) {
  const DepthwiseParams& p = plan.p;
  uint8_t* scratch = plan.scratch->data() + thread * plan.scratch_bytes;
  const int64_t groups = (p.kernel[0] + 3) / 4, reach = (p.kernel[1] - 1) * p.dilations[1];
  const int64_t columns = (plan.tile - 1) * p.strides[1] + reach + 1;
  const Row<Block> work{plan,
                        source,
                        destination,
                        row,
                        block,
                        groups,
                        reinterpret_cast<__m512i*>(scratch),
                        scratch + columns * groups * Block::kVectors * 64};
  const bool plain =
      p.source_type == ByteType::u8 && p.multiplier == 1 && plan.begin + (block + 1) * Block::kWidth <= plan.end;
  for (int64_t x = 0; x < p.output[1]; x += plan.tile) {
    const int64_t width = std::min(plan.tile, p.output[1] - x);
    const int64_t first = x * p.strides[1] - p.begin[1], count = (width - 1) * p.strides[1] + reach + 1;
    plain ? work.template interleave_columns<true>(first, count)
          : work.template interleave_columns<false>(first, count);
    work.template outputs<Size, kType, kEnd>(x, width, 0);
    if (plan.rows == 2 && row % p.output[0] + 1 < p.output[0])
      work.template outputs<Size, kType, kEnd>(x, width, 1);
  }
}

template <class Block, OutputType kType, int kParts, ByteEnd kEnd>
DepthwiseRow choose_size(const DepthwisePlan& plan) {
  const int64_t width = plan.p.kernel[1], groups = (plan.p.kernel[0] + 3) / 4, stride = plan.p.strides[1];
  if (plan.p.dilations[1] == 1) {
    if (width == 3 && groups == 1 && stride == 1) return compute<Block, FixedSize<kParts, 3, 1, 1>, kType, kEnd>;
    if (width == 3 && groups == 1 && stride == 2) return compute<Block, FixedSize<kParts, 3, 1, 2>, kType, kEnd>;
    if (width == 5 && groups == 2 && stride == 1) return compute<Block, FixedSize<kParts, 5, 2, 1>, kType, kEnd>;
    if (width == 5 && groups == 2 && stride == 2) return compute<Block, FixedSize<kParts, 5, 2, 2>, kType, kEnd>;
  }
  // Other windows need no versions without a clamp.
  return compute<Block, AnySize<kParts>, kType, kEnd == ByteEnd::plain ? ByteEnd::clamped : kEnd>;
}

template <class Block, OutputType kType, int kParts>
DepthwiseRow choose_end(const DepthwisePlan& plan) {
  if (plan.stepped) return choose_size<Block, kType, kParts, ByteEnd::stepped>(plan);
  if (plan.overflows) return compute<Block, AnySize<kParts>, kType, ByteEnd::clamped>;
  return choose_size<Block, kType, kParts, ByteEnd::plain>(plan);
}

template <class Block, int kParts>
DepthwiseRow choose_compute(const DepthwisePlan& plan) {
  switch (plan.p.type) {
    case OutputType::u8: return choose_end<Block, OutputType::u8, kParts>(plan);
    case OutputType::s8: return choose_end<Block, OutputType::s8, kParts>(plan);
    default: return choose_size<Block, OutputType::s32, kParts, ByteEnd::plain>(plan);
  }
}

// The four-byte elements `from`, one for each of `outputs` channels, in the order of a block's lanes.
template <class Block, class T>
std::unique_ptr<AlignedBuffer> in_lanes(const T* from, int64_t outputs) {
  const int64_t blocks = (outputs + Block::kWidth - 1) / Block::kWidth;
  std::unique_ptr<AlignedBuffer> result = std::make_unique<AlignedBuffer>(blocks * Block::kWidth * 4);
  for (int64_t at = 0; at < blocks * Block::kWidth; at++) {
    const int64_t o = at / Block::kWidth * Block::kWidth + Block::channel(at % Block::kWidth / 16, at % 16);
    if (o < outputs) result->as<T>()[at] = from[o];
  }
  return result;
}

// Part `part` of a weight; 255, which is not the sum of two, has none.
int8_t part_of(int16_t weight, int64_t part) {
  const int first = std::clamp<int>(weight, -128, 127);
  return static_cast<int8_t>(part == 0 ? first : weight - first);
}

// weights[output row][part][block][kernel column][row group][vector][lane][row in group]: the kernel of the next output row
// begins one row further down.
template <class Block>
std::unique_ptr<AlignedBuffer> pack_weights(const DepthwisePlan& plan, int64_t groups) {
  const DepthwiseParams& p = plan.p;
  const int64_t taps = p.kernel[0] * p.kernel[1], blocks = (plan.end - plan.begin + Block::kWidth - 1) / Block::kWidth;
  std::unique_ptr<AlignedBuffer> packed =
      std::make_unique<AlignedBuffer>(checked_product(plan.rows * 2, blocks, p.kernel[1], groups, Block::kWidth, 4));
  auto* to = packed->as<int8_t>();
  for (int64_t block = 0; block < plan.rows * 2 * blocks; block++) {
    for (int64_t x = 0; x < p.kernel[1]; x++) {
      for (int64_t at = 0; at < groups * Block::kWidth * 4; at++, to++) {
        const int64_t lane = at / 4 % 16, vector = at / 64 % Block::kVectors,
                      y = at / 64 / Block::kVectors * 4 + at % 4 - block / blocks / 2;
        const int64_t o = plan.begin + block % blocks * Block::kWidth + Block::channel(vector, lane);
        if (o < plan.end && y >= 0 && y < p.kernel[0])
          *to = part_of(plan.plain_weights[o * taps + y * p.kernel[1] + x], block / blocks % 2);
      }
    }
  }
  return packed;
}

template <class Block>
bool prepare(DepthwisePlan& plan) {
  const DepthwiseParams& p = plan.p;
  const int64_t taps = p.kernel[0] * p.kernel[1], groups = (p.kernel[0] + 3) / 4;
  const auto own = std::pair{plan.plain_weights.begin() + plan.begin * taps, plan.plain_weights.begin() + plan.end * taps};
  if (std::find(own.first, own.second, 255) != own.second) return false;
  const int64_t column_bytes = groups * Block::kVectors * 64;
  const int64_t reach = checked_multiply(p.kernel[1] - 1, p.dilations[1]) + 1;
  const int64_t fitting = (kScratchBytes / column_bytes - reach) / p.strides[1];
  plan.tile = std::clamp<int64_t>(fitting, Block::kColumns, std::max<int64_t>(Block::kColumns, p.output[1]));
  const int64_t columns = checked_add(checked_multiply(plan.tile - 1, p.strides[1]), reach);
  plan.scratch_bytes = checked_multiply(columns, column_bytes + (p.multiplier > 1 ? 4 * 64 : 0));
  if (plan.scratch_bytes > kScratchLimit) return false;
  plan.rows = p.kernel[0] == 3 && p.strides[0] == 1 && p.dilations[0] == 1 ? 2 : 1;
  plan.scratch = std::make_unique<AlignedBuffer>(plan.scratch_bytes * plan.threads);

  plan.shifts = p.source_type == ByteType::s8;
  plan.inside = in_lanes<Block>(plan.inside->as<int32_t>() + plan.begin, plan.end - plan.begin);
  plan.bias = in_lanes<Block>(plan.bias->as<int32_t>() + plan.begin, plan.end - plan.begin);
  const auto arrange = [&](std::unique_ptr<AlignedBuffer>& factors) {
    const float* from = factors != nullptr ? factors->as<float>() : nullptr;
    if (from != nullptr) factors = in_lanes<Block>(from + plan.begin, plan.end - plan.begin);
  };
  arrange(plan.multiplier);
  arrange(plan.scale);
  arrange(plan.offset);
  plan.weights = pack_weights<Block>(plan, groups);
  plan.padding = std::make_unique<AlignedBuffer>(64);
  plan.block_width = Block::kWidth;
  for (int64_t block = 0; block < plan.blocks(); block++) {
    const auto first = own.first + block * Block::kWidth * taps;
    const bool are_bytes = std::all_of(first, std::min(first + Block::kWidth * taps, own.second),
                                       [](int16_t weight) { return weight >= -128 && weight <= 127; });
    plan.compute.push_back(are_bytes ? choose_compute<Block, 1>(plan) : choose_compute<Block, 2>(plan));
  }
  return true;
}

}  // namespace

// Half-empty blocks of 64 cost more than narrow ones.
int64_t divide_depthwise_avx512(int64_t outputs) {
  const int64_t rest = outputs % 64;
  return outputs > 64 && rest > 0 && rest <= 32 ? outputs - rest : outputs;
}

bool prepare_depthwise_avx512(DepthwisePlan& plan) {
  return plan.end - plan.begin <= 32 ? prepare<Block16>(plan) : prepare<Block64>(plan);
}

}  // namespace unskew
