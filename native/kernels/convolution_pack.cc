#include "kernels/convolution_pack.h"

#include "kernels/finish_avx512.h"

namespace unskew {

namespace {

// So many inputs of a tap at most are summed in 32 bits.
constexpr int64_t kMostInputs = int64_t{1} << 22;

// Where the weights of a channel and a tap begin, and the distance of its inputs.
struct Source {
  const uint8_t* weights;
  int64_t channel, tap, input;
};

Source source_of(const ConvolutionPlan& plan, const uint8_t* weights) {
  const int64_t taps = plan.taps();
  if (plan.p.channels_first) return {weights, taps, 1, plan.p.outputs * taps};
  return {weights, plan.inputs * taps, 1, taps};
}

uint8_t flip_of(const ConvolutionPlan& plan) { return plan.p.weights_type == ByteType::u8 ? 128 : 0; }

// One block, channel by channel: the weights as s8, and what sums and bounds of sums need.
void pack_scalar(const ConvolutionPlan& plan, const ChannelBlock& block, const Source& source, PackedWeights& packed) {
  const ConvolutionParams& p = plan.p;
  const int64_t steps = (plan.run_bytes + 3) / 4, taps = plan.taps();
  const uint8_t flip = flip_of(plan);
  uint8_t* to = packed.bytes->data() + block.weights;
  for (int64_t at = 0; at < block.vectors * 16; at++) {
    const int64_t channel = channel_of(plan, block, at / 16, at % 16);
    if (channel >= block.count) continue;
    const int64_t o = block.first + channel;
    const int32_t zero_point = plan.plain_zero_points[o];
    int64_t magnitude = 0;
    for (int64_t tap = 0; tap < taps; tap++) {
      const uint8_t* from = source.weights + o * source.channel + tap * source.tap;
      const int64_t run = plan.by_rows ? tap / p.kernel[1] : tap;
      const int64_t start = plan.by_rows ? tap % p.kernel[1] * plan.inputs : 0;
      int64_t sum = 0;
      for (int64_t c = 0; c < plan.inputs; c++) {
        const auto byte = static_cast<uint8_t>(from[c * source.input] ^ flip);
        const int64_t in_run = start + c;
        to[((run * steps + in_run / 4) * block.vectors * 16 + at) * 4 + in_run % 4] = byte;
        const int32_t weight = int32_t{static_cast<int8_t>(byte)} - zero_point;
        sum += weight;
        magnitude += std::abs(weight);
      }
      packed.sums[o * taps + tap] = static_cast<int32_t>(static_cast<uint64_t>(sum));
    }
    packed.magnitudes[o] = static_cast<double>(magnitude);
  }
}

// The weights of the channels of a block, tap by tap, with the inputs of a tap in a row: [channel][tap][steps * 4].
void gather(const ConvolutionPlan& plan, const ChannelBlock& block, const Source& source, int64_t row, uint8_t* to) {
  const int64_t taps = plan.taps(), bytes = row * taps;
  const uint8_t flip = flip_of(plan);
  const uint8_t* from = source.weights + block.first * source.channel;
  if (plan.p.channels_first) {  // neighbours in memory are channels
    for (int64_t c = 0; c < plan.inputs; c++) {
      for (int64_t channel = 0; channel < block.count; channel++) {
        for (int64_t tap = 0; tap < taps; tap++)
          to[channel * bytes + tap * row + c] = from[channel * source.channel + tap + c * source.input] ^ flip;
      }
    }
    return;
  }
  for (int64_t channel = 0; channel < block.count; channel++) {
    const uint8_t* own = from + channel * source.channel;
    for (int64_t c = 0; c < plan.inputs; c++) {
      for (int64_t tap = 0; tap < taps; tap++) to[channel * bytes + tap * row + c] = *own++ ^ flip;
    }
  }
}

// Of sixteen rows of sixteen words, word i of all rows is row i then.
UNSKEW_AVX512 void transpose_words(__m512i (&rows)[16]) {
  __m512i pairs[16];
  for (int i = 0; i < 16; i += 2) {
    pairs[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
    pairs[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    rows[i] = _mm512_unpacklo_epi64(pairs[i], pairs[i + 2]);
    rows[i + 1] = _mm512_unpackhi_epi64(pairs[i], pairs[i + 2]);
    rows[i + 2] = _mm512_unpacklo_epi64(pairs[i + 1], pairs[i + 3]);
    rows[i + 3] = _mm512_unpackhi_epi64(pairs[i + 1], pairs[i + 3]);
  }
  for (int i = 0; i < 4; i++) {
    pairs[i] = _mm512_shuffle_i32x4(rows[i], rows[i + 4], 0x88);
    pairs[i + 4] = _mm512_shuffle_i32x4(rows[i], rows[i + 4], 0xdd);
    pairs[i + 8] = _mm512_shuffle_i32x4(rows[i + 8], rows[i + 12], 0x88);
    pairs[i + 12] = _mm512_shuffle_i32x4(rows[i + 8], rows[i + 12], 0xdd);
  }
  for (int i = 0; i < 4; i++) {
    rows[i] = _mm512_shuffle_i32x4(pairs[i], pairs[i + 8], 0x88);
    rows[i + 4] = _mm512_shuffle_i32x4(pairs[i + 4], pairs[i + 12], 0x88);
    rows[i + 8] = _mm512_shuffle_i32x4(pairs[i], pairs[i + 8], 0xdd);
    rows[i + 12] = _mm512_shuffle_i32x4(pairs[i + 4], pairs[i + 12], 0xdd);
  }
}

// The same where a run is a tap: sixteen channels and sixteen words of four inputs at once.
UNSKEW_AVX512 void pack_avx512(const ConvolutionPlan& plan, const ChannelBlock& block, const Source& source,
                               std::vector<uint8_t>& scratch, PackedWeights& packed) {
  const int64_t taps = plan.taps(), steps = (plan.inputs + 3) / 4, row = steps * 4, pads = row - plan.inputs;
  const bool are_rows = taps == 1 && pads == 0 && !plan.p.channels_first;  // as they lie
  if (!are_rows) {
    scratch.assign(static_cast<size_t>(block.count * taps * row), 0);
    gather(plan, block, source, row, scratch.data());
  }
  const uint8_t* from = are_rows ? source.weights + block.first * source.channel : scratch.data();
  const __m512i flip = _mm512_set1_epi8(are_rows ? static_cast<char>(flip_of(plan)) : 0);
  const __m512i ones = _mm512_set1_epi8(1);
  auto* to = reinterpret_cast<__m512i*>(packed.bytes->data() + block.weights);
  for (int64_t vector = 0; vector < block.vectors; vector++) {
    alignas(64) int32_t zero_points[16] = {}, sums[16], magnitudes[16];
    const uint8_t* channels[16] = {};
    double total[16] = {};
    for (int64_t lane = 0; lane < 16; lane++) {
      const int64_t channel = channel_of(plan, block, vector, lane);
      if (channel >= block.count) continue;
      channels[lane] = from + channel * taps * row;
      zero_points[lane] = plan.plain_zero_points[block.first + channel];
    }
    const __m512i zeros = _mm512_load_si512(zero_points);
    const __m512i bytes_of_zeros = _mm512_shuffle_epi8(
        zeros, _mm512_broadcast_i32x4(_mm_setr_epi8(0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12)));
    for (int64_t tap = 0; tap < taps; tap++) {
      __m512i sum = _mm512_setzero_si512(), magnitude = _mm512_setzero_si512();
      for (int64_t step = 0; step < steps; step += 16) {
        const int64_t count = std::min<int64_t>(16, steps - step);
        const auto mask = static_cast<__mmask16>((1u << count) - 1);
        __m512i rows[16];
        for (int lane = 0; lane < 16; lane++) {
          rows[lane] = channels[lane] == nullptr
                           ? _mm512_setzero_si512()
                           : _mm512_xor_si512(_mm512_maskz_loadu_epi32(mask, channels[lane] + tap * row + step * 4), flip);
        }
        transpose_words(rows);
        for (int64_t i = 0; i < count; i++) {
          _mm512_store_si512(to + (tap * steps + step + i) * block.vectors + vector, rows[i]);
          sum = _mm512_dpbusd_epi32(sum, ones, rows[i]);
          const __m512i distance = _mm512_sub_epi8(_mm512_max_epi8(rows[i], bytes_of_zeros),
                                                   _mm512_min_epi8(rows[i], bytes_of_zeros));  // as u8
          magnitude = _mm512_dpbusd_epi32(magnitude, distance, ones);
        }
      }
      _mm512_store_si512(sums, sum);
      _mm512_store_si512(magnitudes, magnitude);
      for (int64_t lane = 0; lane < 16; lane++) {
        if (channels[lane] == nullptr) continue;
        const int64_t o = block.first + channel_of(plan, block, vector, lane);
        const int64_t zero = zero_points[lane];
        packed.sums[o * taps + tap] = static_cast<int32_t>(sums[lane] - zero * plan.inputs);
        total[lane] += static_cast<double>(magnitudes[lane] - pads * std::abs(zero));
        packed.magnitudes[o] = total[lane];
      }
    }
  }
}

// Everything that packed weights depend on besides the weights; of zero points that follow each other and are equal one, and how
// many.
std::string way_of(const ConvolutionPlan& plan) {
  const ConvolutionParams& p = plan.p;
  std::string way;
  for (const int64_t part :
       {int64_t{p.weights_type == ByteType::u8}, int64_t{p.channels_first}, int64_t{p.type == OutputType::s32},
        int64_t{plan.by_rows}, p.channels, p.outputs, p.groups, p.kernel[0], p.kernel[1]}) {
    way += std::to_string(part) + ' ';
  }
  const std::vector<int32_t>& zeros = plan.plain_zero_points;
  for (size_t begin = 0, end = 0; begin < zeros.size(); begin = end) {
    while (end < zeros.size() && zeros[end] == zeros[begin]) end++;
    way += std::to_string(zeros[begin]) + 'x' + std::to_string(end - begin) + ' ';
  }
  return way;
}

}  // namespace

int64_t channel_of(const ConvolutionPlan& plan, const ChannelBlock& block, int64_t vector, int64_t lane) {
  const bool is_packed = block.vectors == 4 && plan.p.type != OutputType::s32;
  return is_packed ? packed_channel(vector, lane) : vector * 16 + lane;
}

std::shared_ptr<const PackedWeights> packed_weights(const ConvolutionPlan& plan, int threads, const uint8_t* address,
                                                    const Identity& identity) {
  const auto make = [&] {
    const uint8_t* weights = identity.bytes(address);
    auto packed = std::make_shared<PackedWeights>();
    packed->bytes = std::make_unique<AlignedBuffer>(plan.weight_bytes);
    packed->sums.resize(plan.p.outputs * plan.taps());
    packed->magnitudes.resize(plan.p.outputs);
    const bool is_wide = !plan.by_rows && plan.inputs <= kMostInputs;
    const auto count = static_cast<int64_t>(plan.blocks.size());
    parallel(threads, count, plan.weight_bytes / std::max<int64_t>(1, count), 1, [&](int64_t begin, int64_t end, int) {
      std::vector<uint8_t> scratch;
      const Source source = source_of(plan, weights);
      for (int64_t at = begin; at < end; at++) {
        const ChannelBlock& block = plan.blocks[at];
        if (is_wide) pack_avx512(plan, block, source, scratch, *packed);
        else pack_scalar(plan, block, source, *packed);
      }
    });
    return packed;
  };
  return shelf_of_weights().get({identity.memory, identity.offset, way_of(plan)}, make, [&](const PackedWeights& packed) {
    return packed.bytes->bytes() == plan.weight_bytes &&
           static_cast<int64_t>(packed.sums.size()) == plan.p.outputs * plan.taps() &&
           static_cast<int64_t>(packed.magnitudes.size()) == plan.p.outputs;
  });
}

}  // namespace unskew
