// Convolution with VNNI. The accumulators of seven output positions by up to 64 output channels stay in registers while
// all taps and input channels go by; vpdpbusd adds four input channels at once.
//
//   acc[position][channel] = base[class of the position][channel] + Σ over taps and input channels of source · weights
//
// where base = bias − zero point · Σ of the weights of the taps inside, so the zero point costs nothing. Taps outside the
// input read zeros, or are skipped where they are outside for all positions. s8 sources are read as source + 128.
#include "kernels/convolution_avx512.h"
#include "kernels/convolution_pack.h"

namespace unskew {

namespace {

// The taps [first, last) of an axis that a window holds.
using Taps = std::pair<int64_t, int64_t>;

// The classes of an axis; `offset` is the distance of its input coordinates in the source.
std::vector<Taps> classify(const ConvolutionParams& p, int axis, int64_t offset, std::vector<WindowStart>& starts) {
  std::vector<Taps> classes;
  for (int64_t i = 0; i < p.output[axis]; i++) {
    const int64_t at = i * p.strides[axis] - p.begin[axis], step = p.dilations[axis];
    const int64_t first = at >= 0 ? 0 : (-at + step - 1) / step;
    const int64_t last = std::min(p.kernel[axis], at >= p.input[axis] ? 0 : (p.input[axis] - 1 - at) / step + 1);
    const Taps taps = first < last ? Taps{first, last} : Taps{0, 0};
    const auto found = std::find(classes.begin(), classes.end(), taps);
    starts.push_back(
        {.at = at, .offset = at * offset, .base = found - classes.begin(), .whole = taps == Taps{0, p.kernel[axis]}});
    if (found == classes.end()) classes.push_back(taps);
  }
  return classes;
}

// Blocks of four vectors, and of two or three at the end of a group rather than of one.
std::vector<ChannelBlock> channel_blocks(const ConvolutionPlan& plan) {
  std::vector<ChannelBlock> blocks;
  int64_t lane = 0, weights = 0;
  const int64_t steps = (plan.run_bytes + 3) / 4;
  for (int64_t group = 0; group < plan.p.groups; group++) {
    int64_t first = group * plan.outputs;
    const int64_t end = first + plan.outputs;
    while (first < end) {
      const int64_t left = (end - first + 15) / 16;
      const int vectors = static_cast<int>(left == 5 || left == 6 ? 3 : std::min<int64_t>(left, 4));
      const int64_t count = std::min<int64_t>(vectors * 16, end - first);
      blocks.push_back({group, first, count, vectors, lane, weights});
      lane += vectors * 16;
      weights = checked_add(weights, checked_product(plan.runs, steps, vectors, 64));
      first += count;
    }
  }
  return blocks;
}

// The taps of the classes of each axis.
struct Classes {
  std::vector<Taps> rows, columns;
};

// What a block takes from the constants besides its weights.
void finish_block(const ConvolutionPlan& plan, const ChannelBlock& block, const Classes& classes,
                  ConvolutionConstants& constants) {
  const ConvolutionParams& p = plan.p;
  for (int64_t vector = 0; vector < block.vectors; vector++) {
    for (int64_t lane = 0; lane < 16; lane++) {
      const int64_t channel = channel_of(plan, block, vector, lane);
      if (channel >= block.count) continue;
      const int64_t o = block.first + channel, at = block.lane + vector * 16 + lane;
      const int32_t* sums = constants.packed->sums.data() + o * plan.taps();
      auto* inside = constants.inside.as<int32_t>() + at;
      for (const auto& [top, bottom] : classes.rows) {
        for (const auto& [left, right] : classes.columns) {
          for (int64_t i = top; i < bottom; i++) {
            for (int64_t j = left; j < right; j++) *inside = wrapping_add(*inside, sums[i * p.kernel[1] + j]);
          }
          inside += plan.lanes;
        }
      }
      constants.bias.as<int32_t>()[at] = plan.plain_bias[o];
      constants.multiplier.as<float>()[at] = plan.plain_multiplier[o];
      if (plan.stepped) {
        constants.scale.as<float>()[at] = plan.plain_scale[o];
        constants.offset.as<float>()[at] = plan.plain_offset[o];
      }
      const int32_t factor = -plan.plain_zero_points[o];
      constants.factors.as<int32_t>()[at] = plan.sums.wide ? factor : WindowSums::pack_factor(factor);
    }
  }
}

// A NaN multiplier takes the path that clamps.
bool may_overflow(const ConvolutionPlan& plan, const PackedWeights& packed) {
  for (int64_t o = 0; o < plan.p.outputs; o++) {
    const double most = std::abs(static_cast<double>(plan.plain_bias[o])) + 255.0 * packed.magnitudes[o];
    if (!(most * std::abs(plan.plain_multiplier[o]) < 2e9)) return true;
  }
  return false;
}

std::shared_ptr<const ConvolutionConstants> make_constants(ConvolutionPlan& plan, const KernelTarget& target,
                                                           const Classes& classes, Addresses a,
                                                           const Identities& identities) {
  read_plain_constants(plan, a);
  const int64_t bytes = plan.lanes * 4, all_bytes = checked_product(plan.classes, plan.lanes, 4);
  const std::vector<int32_t>& zero_points = plan.plain_zero_points;
  auto constants = std::make_shared<ConvolutionConstants>(ConvolutionConstants{
      .packed = packed_weights(plan, target.threads, a[1], identities[1]),
      .has_zero_points = std::ranges::any_of(zero_points, [](int32_t z) { return z != 0; }),
      .uniform = std::ranges::adjacent_find(zero_points, std::not_equal_to<>()) == zero_points.end(),
      .zero_point = zero_points.front(),
      .inside = AlignedBuffer(all_bytes),
      .bias = AlignedBuffer(bytes),
      .base = AlignedBuffer(plan.p.source_zero_point ? all_bytes : 0),
      .multiplier = AlignedBuffer(bytes + 192),
      .scale = AlignedBuffer(plan.stepped ? bytes + 192 : 0),
      .offset = AlignedBuffer(plan.stepped ? bytes + 192 : 0),
      .factors = AlignedBuffer(bytes)});
  for (const ChannelBlock& block : plan.blocks) finish_block(plan, block, classes, *constants);
  constants->overflows = may_overflow(plan, *constants->packed);
  if (plan.p.source_zero_point)
    set_bases(plan, constants->inside.as<int32_t>(), constants->bias.as<int32_t>(), *plan.p.source_zero_point,
              constants->base.as<int32_t>());
  plan.plain_zero_points.clear();
  plan.plain_bias.clear();
  for (auto* list : {&plan.plain_multiplier, &plan.plain_scale, &plan.plain_offset}) list->clear();
  return constants;
}

// Of the sizes that `make_constants` gives them.
bool fits(const ConvolutionPlan& plan, const ConvolutionConstants& kept) {
  const int64_t bytes = plan.lanes * 4, all_bytes = checked_product(plan.classes, plan.lanes, 4);
  const int64_t stepped = plan.stepped ? bytes + 192 : 0;
  return kept.packed->bytes->bytes() == plan.weight_bytes && kept.inside.bytes() == all_bytes && kept.bias.bytes() == bytes &&
         kept.base.bytes() == (plan.p.source_zero_point ? all_bytes : 0) && kept.multiplier.bytes() == bytes + 192 &&
         kept.scale.bytes() == stepped && kept.offset.bytes() == stepped && kept.factors.bytes() == bytes;
}

// Everything that they depend on.
std::vector<int64_t> key_of_constants(const ConvolutionPlan& plan, const Classes& classes,
                                      const Identities& identities) {
  const ConvolutionParams& p = plan.p;
  std::vector<int64_t> key = {p.source_zero_point ? *p.source_zero_point : INT64_MAX,
                              static_cast<int64_t>(p.source_type),
                              static_cast<int64_t>(p.weights_type),
                              static_cast<int64_t>(p.type),
                              p.channels_first,
                              plan.by_rows,
                              plan.stepped,
                              p.channels,
                              p.outputs,
                              p.groups,
                              p.kernel[0],
                              p.kernel[1],
                              static_cast<int64_t>(classes.rows.size())};
  const auto add = [&](size_t at) { key.insert(key.end(), {identities[at].memory, identities[at].offset}); };
  for (const size_t at : {1, 2, 3, 5}) add(at);
  for (size_t at = first_step(p); plan.stepped && at < first_step(p) + 2; at++) add(at);
  for (const auto* axis : {&classes.rows, &classes.columns}) {
    for (const auto& [first, last] : *axis) key.insert(key.end(), {first, last});
  }
  return key;
}

// The number of steps of kPositions in a part, so that threads, which take one run of (block, part) pairs each, have
// equal
// work; all steps when the work is equal without dividing the positions, since then each thread reads its own weights
// only.
int64_t divide(const ConvolutionPlan& plan, int64_t positions, int threads) {
  const int64_t steps = (positions + kPositions - 1) / kPositions, blocks = static_cast<int64_t>(plan.blocks.size());
  int64_t best = steps, least = INT64_MAX;
  for (int64_t parts = 1; parts <= std::min<int64_t>(steps, 4 * threads); parts++) {
    const int64_t size = (steps + parts - 1) / parts, units = blocks * ((steps + size - 1) / size);
    int64_t most = 0;  // of any thread
    for (int64_t thread = 0; thread < threads; thread++) {
      int64_t work = 0;
      for (int64_t unit = units * thread / threads; unit < units * (thread + 1) / threads; unit++) {
        const int64_t part = unit % (units / blocks);
        work += plan.blocks[unit / (units / blocks)].vectors * (std::min(steps, (part + 1) * size) - part * size);
      }
      most = std::max(most, work);
    }
    if (most < least - least / 32) best = size, least = most;
  }
  return std::max<int64_t>(1, best);
}

// Weights that stay near while parts go by.
constexpr int64_t kFewWeights = 64 << 10;
// Steps of kPositions in such a part: the data that they read and write stays in the first cache.
constexpr int64_t kPartSteps = 8;

int64_t part_steps(int64_t positions, int64_t threads) {
  const auto divided = [](int64_t a, int64_t b) { return (a + b - 1) / b; };
  const int64_t each = std::max<int64_t>(1, divided(divided(positions, kPositions), threads));
  return divided(each, divided(each, kPartSteps));
}

template <bool kSigned>
UNSKEW_AVX512 void compute(const ConvolutionPlan& plan, const uint8_t* source, uint8_t* destination, int64_t block,
                           int64_t begin, int64_t end) {
  const ChannelBlock& channels = plan.blocks[block];
  switch (channels.vectors) {
    case 1: return Part<1, kSigned>(plan, channels, source, destination).run(begin, end);
    case 2: return Part<2, kSigned>(plan, channels, source, destination).run(begin, end);
    case 3: return Part<3, kSigned>(plan, channels, source, destination).run(begin, end);
    default: return Part<4, kSigned>(plan, channels, source, destination).run(begin, end);
  }
}

// All of a plan but its packed constants; no block where there is nothing to compute.
Classes lay_out(ConvolutionPlan& plan, const KernelTarget& target) {
  const ConvolutionParams& p = plan.p;
  constexpr Pair kOnes = {1, 1};
  plan.pointwise = p.kernel == kOnes && p.strides == kOnes && p.begin == Pair{0, 0} && p.input == p.output;
  plan.by_rows = p.groups == 1 && p.dilations[1] == 1 && plan.inputs % 4 != 0 && p.kernel[1] > 1 &&
                 plan.inputs * p.kernel[1] <= kRunLimit;
  plan.runs = plan.by_rows ? p.kernel[0] : plan.taps();
  plan.run_bytes = plan.by_rows ? plan.inputs * p.kernel[1] : plan.inputs;
  plan.blocks = channel_blocks(plan);
  if (plan.blocks.empty()) return {};
  const ChannelBlock& last = plan.blocks.back();
  const int64_t steps = (plan.run_bytes + 3) / 4;
  plan.lanes = last.lane + last.vectors * 16;
  plan.weight_bytes = last.weights + checked_product(plan.runs, steps, last.vectors, 64);
  Classes classes = {.rows = classify(p, 0, p.input[1] * p.channels, plan.rows),
                     .columns = classify(p, 1, p.channels, plan.columns)};
  const auto &rows = classes.rows, &columns = classes.columns;
  const auto row_classes = static_cast<int64_t>(rows.size()), column_classes = static_cast<int64_t>(columns.size());
  plan.classes = checked_product(row_classes, column_classes);
  plan.sums.wide = checked_product(plan.taps(), plan.inputs, 255) >= WindowSums::kPairs;
  for (WindowStart& row : plan.rows) row.base *= column_classes * plan.lanes;
  for (WindowStart& column : plan.columns) column.base *= plan.lanes;
  plan.padding = std::make_unique<AlignedBuffer>(steps * 4);
  if (p.source_type == ByteType::s8) std::memset(plan.padding->data(), 128, static_cast<size_t>(steps * 4));
  const int64_t positions = p.batch * p.output[0] * p.output[1];
  plan.by_parts = plan.weight_bytes <= kFewWeights;
  plan.positions =
      kPositions * (plan.by_parts ? part_steps(positions, target.threads) : divide(plan, positions, target.threads));
  plan.compute = p.source_type == ByteType::s8 ? compute<true> : compute<false>;
  return classes;
}

// Sixty-four columns of a matrix, four of its rows: the bytes of each column together.
UNSKEW_AVX512 void interleave(const __m512i (&rows)[4], __m512i (&to)[4]) {
  const __m512i ab_low = _mm512_unpacklo_epi8(rows[0], rows[1]), ab_high = _mm512_unpackhi_epi8(rows[0], rows[1]);
  const __m512i cd_low = _mm512_unpacklo_epi8(rows[2], rows[3]), cd_high = _mm512_unpackhi_epi8(rows[2], rows[3]);
  // Of each 16 columns, four in each of these; the vectors want sixteen in a row.
  const __m512i a = _mm512_unpacklo_epi16(ab_low, cd_low), b = _mm512_unpackhi_epi16(ab_low, cd_low);
  const __m512i c = _mm512_unpacklo_epi16(ab_high, cd_high), d = _mm512_unpackhi_epi16(ab_high, cd_high);
  const __m512i ab_first = _mm512_shuffle_i32x4(a, b, 0x44), ab_last = _mm512_shuffle_i32x4(a, b, 0xee);
  const __m512i cd_first = _mm512_shuffle_i32x4(c, d, 0x44), cd_last = _mm512_shuffle_i32x4(c, d, 0xee);
  to[0] = _mm512_shuffle_i32x4(ab_first, cd_first, 0x88);
  to[1] = _mm512_shuffle_i32x4(ab_first, cd_first, 0xdd);
  to[2] = _mm512_shuffle_i32x4(ab_last, cd_last, 0x88);
  to[3] = _mm512_shuffle_i32x4(ab_last, cd_last, 0xdd);
}

}  // namespace

void prepare_convolution_avx512(ConvolutionPlan& plan, const KernelTarget& target, Addresses a,
                                const Identities& identities) {
  static auto* shelf = new Shelf<std::vector<int64_t>, ConvolutionConstants>();  // threads outlive static objects
  const Classes classes = lay_out(plan, target);
  if (plan.blocks.empty()) return;
  plan.constants = shelf->get(
      key_of_constants(plan, classes, identities), [&] { return make_constants(plan, target, classes, a, identities); },
      [&](const ConvolutionConstants& kept) { return fits(plan, kept); });
  const ConvolutionConstants& constants = *plan.constants;
  plan.weights = constants.packed->bytes->data();
  plan.inside = constants.inside.as<int32_t>();
  plan.bias = constants.bias.as<int32_t>();
  plan.base = constants.base.as<int32_t>();
  plan.multiplier = constants.multiplier.as<float>();
  if (plan.stepped) {
    plan.scale = constants.scale.as<float>();
    plan.offset = constants.offset.as<float>();
  }
  plan.factors_of_sums = constants.factors.as<int32_t>();
  plan.overflows = constants.overflows;
  plan.sums.wanted = constants.has_zero_points;
  if (plan.sums.wanted) prepare_window_sums(plan, constants.uniform, constants.zero_point);
}

void prepare_matrices_avx512(ConvolutionPlan& plan, const KernelTarget& target) {
  lay_out(plan, target);
  plan.sums.wanted = true;
  prepare_window_sums(plan, true, 0);
}

UNSKEW_AVX512 void pack_matrix_avx512(const ConvolutionPlan& plan, const uint8_t* weights, int32_t zero_point,
                                      int64_t block, uint8_t* packed_weights, int32_t* inside) {
  const ChannelBlock& own = plan.blocks[block];
  const int64_t columns = plan.p.outputs, inner = plan.inputs;
  const uint8_t* from = weights + own.first;
  const __mmask64 mask = first_lanes(own.count);
  const __m512i flip = _mm512_set1_epi8(plan.p.weights_type == ByteType::u8 ? -128 : 0), ones = _mm512_set1_epi8(1);
  auto* to = reinterpret_cast<__m512i*>(packed_weights + own.weights);
  __m512i sums[4] = {};
  for (int64_t k = 0; k < inner; k += 4) {
    __m512i rows[4], packed[4];
    for (int64_t i = 0; i < 4; i++) {
      rows[i] = _mm512_setzero_si512();
      if (k + i < inner) 
        rows[i] = _mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, from + (k + i) * columns), flip);
    }
    interleave(rows, packed);
    for (int v = 0; v < own.vectors; v++) {
      _mm512_store_si512(to++, packed[v]);
      sums[v] = _mm512_dpbusd_epi32(sums[v], ones, packed[v]);
    }
  }
  const __m512i zeros = _mm512_set1_epi32(wrapping_multiply(static_cast<int32_t>(inner), zero_point));
  for (int v = 0; v < own.vectors; v++)
    _mm512_store_si512(inside + own.lane + v * 16, _mm512_sub_epi32(sums[v], zeros));
}

}  // namespace unskew
