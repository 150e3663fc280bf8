#include "kernels/convolution.h"
#include "kernels/rounding.h"

namespace unskew {

namespace {

constexpr int64_t kScalarChannels = 64;

void compute_scalar(const ConvolutionPlan& plan, const uint8_t* source, uint8_t* destination, int64_t block,
                    int64_t begin, int64_t end) {
  const ConvolutionParams& p = plan.p;
  const End to = end_of(p.to);
  const Plain plain(to);
  const InFloat<Rounding::half_even> stepped(to);
  const Factors factors{.multiplier = plan.plain_multiplier.data(),
                        .scale = plan.plain_scale.data(),
                        .offset = plan.plain_offset.data()};
  const ChannelBlock& channels = plan.blocks[block];
  const auto value = [&](int64_t at) { return value_of(p.source_type, source + at); };
  for (int64_t position = begin; position < end; position++) {
    const int64_t n = position / p.output[1] / p.output[0];
    const int64_t y = position / p.output[1] % p.output[0] * p.strides[0] - p.begin[0];
    const int64_t x = position % p.output[1] * p.strides[1] - p.begin[1];
    for (int64_t o = channels.first; o < channels.first + channels.count; o++) {
      int32_t sum = plan.plain_bias[o];
      for (int64_t tap = 0; tap < plan.taps(); tap++) {
        const int64_t in_y = y + tap / p.kernel[1] * p.dilations[0], in_x = x + tap % p.kernel[1] * p.dilations[1];
        if (in_y < 0 || in_y >= p.input[0] || in_x < 0 || in_x >= p.input[1]) continue;
        const int64_t from = ((n * p.input[0] + in_y) * p.input[1] + in_x) * p.channels + channels.group * plan.inputs;
        for (int64_t c = 0; c < plan.inputs; c++) {
          const int32_t weight = plan.plain_weights[(o * plan.inputs + c) * plan.taps() + tap];
          sum = wrapping_add(sum, (value(from + c) - plan.source_zero_point) * weight);
        }
      }
      const int64_t at = position * p.outputs + o;
      if (p.floats) {
        float scale, offset;
        copy_factors(*p.floats, plan.factors, o, 1, &scale, &offset);
        reinterpret_cast<float*>(destination)[at] = finish_float(sum, scale, offset, p.floats->low, p.floats->high);
      } else if (p.type == OutputType::s32) {
        reinterpret_cast<int32_t*>(destination)[at] = sum;
      } else {
        destination[plan.slice.offset + position * plan.slice.stride + o] =
            static_cast<uint8_t>(plan.stepped ? stepped(sum, factors, o) : plain(sum, factors, o));
      }
    }
  }
}

// The weights without their zero points, for the scalar version.
void spread_weights(ConvolutionPlan& plan, const uint8_t* weights) {
  const ConvolutionParams& p = plan.p;
  const int64_t taps = plan.taps(), size = plan.inputs * taps;
  const int64_t step = p.channels_first ? p.outputs * taps : taps;
  const int64_t first = p.channels_first ? taps : size;  // of the next output channel
  const int32_t flip = p.weights_type == ByteType::u8 ? 128 : 0;
  plan.plain_weights.resize(p.outputs * size);
  for (int64_t o = 0; o < p.outputs; o++) {
    const int32_t zero_point = plan.plain_zero_points[o] + flip;
    for (int64_t c = 0; c < plan.inputs; c++) {
      for (int64_t tap = 0; tap < taps; tap++) {
        const int32_t weight = value_of(p.weights_type, weights + o * first + c * step + tap);
        plan.plain_weights[(o * plan.inputs + c) * taps + tap] = static_cast<int16_t>(weight - zero_point);
      }
    }
  }
}

int64_t prepare(ConvolutionPlan& plan, const ConvolutionParams& p, const KernelTarget& target, Addresses a,
                const Identities& identities) {
  plan.p = p;
  plan.slice = slice_or_whole(p.slice, p.outputs);
  plan.inputs = p.channels / p.groups;
  plan.outputs = p.outputs / p.groups;
  plan.stepped = has_stepped_end(p.type, p.to, a, first_step(p));
  if (target.isa == Isa::avx512) {
    prepare_convolution_avx512(plan, target, a, identities);
  } else {
    read_plain_constants(plan, a);
    spread_weights(plan, a[1]);
    prepare_convolution_scalar(plan);
    if (p.source_zero_point) plan.source_zero_point = *p.source_zero_point;
  }
  return place_memory(plan, nullptr, target.threads);
}

}  // namespace

void read_plain_constants(ConvolutionPlan& plan, Addresses a) {
  const ConvolutionParams& p = plan.p;
  const auto* bias = reinterpret_cast<const int32_t*>(a[2]);
  plan.plain_zero_points.assign(p.outputs, p.weights_type == ByteType::u8 ? -128 : 0);
  for (int64_t o = 0; o < p.outputs && a[5] != nullptr; o++) plan.plain_zero_points[o] += value_of(p.weights_type, a[5] + o);
  plan.plain_bias.assign(p.outputs, 0);
  if (bias != nullptr) std::copy_n(bias, p.outputs, plan.plain_bias.data());
  const auto assign = [&](std::vector<float>& to, size_t argument, float absent) {
    to.assign(p.outputs, absent);
    if (a[argument] != nullptr) std::copy_n(reinterpret_cast<const float*>(a[argument]), p.outputs, to.data());
  };
  assign(plan.plain_multiplier, 3, 1);
  if (!plan.stepped) return;
  assign(plan.plain_scale, first_step(p), 1);
  assign(plan.plain_offset, first_step(p) + 1, 0);
}

int64_t place_memory(ConvolutionPlan& plan, uint8_t* memory, int threads) {
  int64_t bytes = 0;
  const auto take = [&]<class T>(T*& place, int64_t count) {
    if (memory != nullptr) place = reinterpret_cast<T*>(memory + bytes);
    bytes = checked_add(bytes, (checked_product(count, 4) + 63) / 64 * 64);
  };
  if (plan.lanes == 0) return 0;  // the scalar version
  if (!plan.p.source_zero_point) take(plan.base_of_run, checked_product(plan.classes, plan.lanes));
  if (plan.p.floats) {
    take(plan.scale_of_run, plan.lanes);
    take(plan.offset_of_run, plan.lanes);
  }
  if (plan.sums.wanted) {
    take(plan.sums.sums, checked_product(plan.p.groups, plan.sums.positions));
    if (plan.pointwise) return bytes;
    take(plan.sums.pixel_sums, checked_product(plan.p.groups, plan.sums.pixels));
    take(plan.sums.rows, checked_product(threads, plan.p.input[1]));
  }
  return bytes;
}

void run_convolution(const ConvolutionPlan& plan, const uint8_t* source, uint8_t* destination, int threads) {
  const ConvolutionParams& p = plan.p;
  const int64_t positions = p.batch * p.output[0] * p.output[1];
  const int64_t parts = (positions + plan.positions - 1) / plan.positions;
  const int64_t blocks = static_cast<int64_t>(plan.blocks.size());
  const int64_t work =
      blocks == 0 || parts == 0 ? 0 : positions * p.outputs * (4 + plan.taps() * plan.inputs / 4) / 16 / blocks / parts;
  if (plan.sums.wanted && plan.lanes > 0) sum_windows(plan, source, threads);
  parallel(threads, blocks * parts, work, plan.by_parts ? blocks : 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t unit = begin; unit < end; unit++) {
      const int64_t block = plan.by_parts ? unit % blocks : unit / parts;
      const int64_t part = (plan.by_parts ? unit / blocks : unit % parts) * plan.positions;
      plan.compute(plan, source, destination, block, part, std::min(positions, part + plan.positions));
    }
  });
}

// What sums begin with: the bias less the zero point for each weight inside. A zero point of the run asks for it before each run.
struct Bases {
  UNSKEW_INLINE static void run(const int32_t* inside, const int32_t* bias, int32_t zero_point, int64_t lanes, int32_t* base) {
    for (int64_t lane = 0; lane < lanes; lane++)
      base[lane] = wrapping_subtract(bias[lane], wrapping_multiply(zero_point, inside[lane]));
  }
};

void set_factors(ConvolutionPlan& plan, const FloatFactors& factors) {
  plan.factors = factors;
  if (plan.lanes == 0) return;
  for (const ChannelBlock& block : plan.blocks) {
    float *scale = plan.scale_of_run + block.lane, *offset = plan.offset_of_run + block.lane;
    if (plan.p.floats->scales == 1) std::fill_n(scale, block.count, factors.scale[0]);
    else std::copy_n(factors.scale + block.first, block.count, scale);
    if (factors.offset == nullptr) std::fill_n(offset, block.count, -0.0f);
    else std::copy_n(factors.offset + block.first, block.count, offset);
  }
  plan.scale = plan.scale_of_run;
  plan.offset = plan.offset_of_run;
}

void set_source_zero_point(ConvolutionPlan& plan, int32_t zero_point) {
  plan.source_zero_point = zero_point;
  if (plan.lanes == 0) return;
  set_bases(plan, plan.inside, plan.bias, zero_point, plan.base_of_run);
  plan.base = plan.base_of_run;
}

void set_bases(const ConvolutionPlan& plan, const int32_t* inside, const int32_t* bias, int32_t zero_point, int32_t* to) {
  // The vector version reads s8 sources as source + 128.
  const int32_t shifted = zero_point + (plan.p.source_type == ByteType::s8 ? 128 : 0);
  for (int64_t i = 0; i < plan.classes; i++)
    run_avx512<Bases>(inside + i * plan.lanes, bias, shifted, plan.lanes, to + i * plan.lanes);
}

void prepare_convolution_scalar(ConvolutionPlan& plan) {
  plan.positions = 1;
  plan.compute = compute_scalar;
  for (int64_t first = 0; first < plan.p.outputs;) {
    const int64_t group = first / plan.outputs, end = std::min(first + kScalarChannels, (group + 1) * plan.outputs);
    plan.blocks.push_back(
        {.group = group, .first = first, .count = end - first, .vectors = 0, .lane = 0, .weights = 0});
    first = end;
  }
}

KernelProgram make_convolution(const ConvolutionParams& p, const KernelTarget& target) {
  require(p.channels % p.groups == 0 && p.outputs % p.groups == 0,
          "convolution: groups must divide channels and outputChannels");
  require(p.groups == 1 || !p.channels_first, "convolution: channelsFirst takes one group");
  const int64_t taps = checked_product(p.kernel[0], p.kernel[1]), inputs = p.channels / p.groups;
  const int64_t element = p.type == OutputType::s32 ? 4 : 1;
  require(!p.floats || p.type == OutputType::s32, "convolution: floats end sums of type s32");
  require(!p.floats || p.floats->scales == 1 || p.floats->scales == p.outputs,
          "convolution: scales must be 1 or outputChannels");
  require(!p.slice || element == 1, "convolution: a slice has bytes");
  const int64_t positions = checked_product(p.batch, p.output[0], p.output[1]);
  const int64_t result = p.slice ? bytes_of_slice(*p.slice, positions, p.outputs) : checked_product(positions, p.outputs, element);
  KernelProgram program;
  program.arguments = {
      {.name = "source", .bytes = checked_product(p.batch, p.input[0], p.input[1], p.channels)},
      {.name = "weights",
       .bytes = checked_product(p.outputs, inputs, taps),
       .constant = true,
       .packed = true,
       .by_name = target.isa == Isa::avx512},
      {.name = "bias", .bytes = checked_product(p.outputs, 4), .alignment = 4, .required = false, .constant = true, .packed = true},
      {.name = "multiplier",
       .bytes = checked_product(p.outputs, 4),
       .alignment = 4,
       .required = element == 1,
       .constant = true, .packed = true},
      {.name = "destination", .bytes = result, .access = Access::write, .alignment = element},
      {.name = "weightsZeroPoint", .bytes = p.outputs, .required = false, .constant = true, .packed = true}};
  if (!p.source_zero_point) program.arguments.push_back({.name = "sourceZeroPoint", .bytes = 1});
  const size_t factors = first_step(p);
  const auto more = p.floats ? scaled_end_arguments(*p.floats, p.outputs) : step_arguments(p.type, p.outputs);
  program.arguments.insert(program.arguments.end(), more.begin(), more.end());
  auto plan = std::make_shared<ConvolutionPlan>();
  const size_t memory = program.arguments.size();
  program.prepare = [=](Addresses a, const Identities& identities) { return prepare(*plan, p, target, a, identities); };
  program.run = [=](Addresses a) {
    place_memory(*plan, a[memory], target.threads);
    if (!p.source_zero_point) set_source_zero_point(*plan, value_of(p.source_type, a[6]));
    if (p.floats) {
      set_factors(*plan, {reinterpret_cast<const float*>(a[factors]), reinterpret_cast<const float*>(a[factors + 1])});
    }
    run_convolution(*plan, a[0], a[4], target.threads);
  };
  return program;
}

}  // namespace unskew
