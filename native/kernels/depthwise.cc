#include "kernels/depthwise.h"

namespace unskew {

namespace {

void compute_scalar(const DepthwisePlan& plan, const uint8_t* source, uint8_t* destination, int64_t row, int64_t, int) {
  const DepthwiseParams& p = plan.p;
  const End to = end_of(p.to);
  const Plain plain(to);
  const InFloat<Rounding::half_even> stepped(to);
  const Factors factors = plan.factors();
  const int64_t taps = p.kernel[0] * p.kernel[1], n = row / p.output[0];
  const auto value = [&](int64_t at) { return value_of(p.source_type, source + at); };
  for (int64_t x = 0; x < p.output[1]; x++) {
    for (int64_t o = plan.begin; o < plan.end; o++) {
      int32_t sum = plan.base->as<int32_t>()[o];
      for (int64_t tap = 0; tap < taps; tap++) {
        const int64_t in_y = plan.input_row(row, tap / p.kernel[1]);
        const int64_t in_x = x * p.strides[1] - p.begin[1] + tap % p.kernel[1] * p.dilations[1];
        const bool inside = in_y >= 0 && in_y < p.input[0] && in_x >= 0 && in_x < p.input[1];
        const int32_t v = inside ? value(((n * p.input[0] + in_y) * p.input[1] + in_x) * p.channels + o / p.multiplier)
                                 : plan.source_zero_point;
        sum = wrapping_add(sum, v * plan.plain_weights[o * taps + tap]);
      }
      const int64_t at = (row * p.output[1] + x) * plan.outputs + o;
      if (p.floats) {
        reinterpret_cast<float*>(destination)[at] = plan.finished(sum, o);
      } else if (p.type == OutputType::s32) {
        reinterpret_cast<int32_t*>(destination)[at] = sum;
      } else {
        destination[at] = static_cast<uint8_t>(plan.stepped ? stepped(sum, factors, o) : plain(sum, factors, o));
      }
    }
  }
}

// The argument `scale`; `offset` is the next one.
size_t first_step(const DepthwiseParams& p) { return p.source_zero_point ? 6 : 7; }

std::shared_ptr<DepthwisePlan> prepare(const DepthwiseParams& p, const KernelTarget& target, int64_t outputs,
                                             int64_t begin, int64_t end, Addresses a) {
  const auto weight_at = [&](const uint8_t* from, int64_t i) { return value_of(p.weights_type, from + i); };
  const auto* bias = reinterpret_cast<const int32_t*>(a[2]);
  const auto* multiplier = reinterpret_cast<const float*>(a[3]);
  const int64_t taps = p.kernel[0] * p.kernel[1];
  auto result = std::make_shared<DepthwisePlan>();
  DepthwisePlan& plan = *result;
  plan.p = p;
  plan.threads = target.threads;
  plan.outputs = outputs;
  plan.begin = begin;
  plan.end = end;
  plan.plain_weights.resize(outputs * taps);
  for (int64_t i = 0; i < outputs * taps; i++) {
    const int32_t zero_point = a[5] == nullptr ? 0 : weight_at(a[5], i / taps);
    plan.plain_weights[i] = static_cast<int16_t>(weight_at(a[1], i) - zero_point);
  }
  plan.inside = std::make_unique<AlignedBuffer>(outputs * 4);
  plan.bias = std::make_unique<AlignedBuffer>(outputs * 4);
  plan.multiplier = std::make_unique<AlignedBuffer>(outputs * 4);
  plan.overflows = false;
  for (int64_t o = 0; o < outputs; o++) {
    int32_t sum = 0;
    double magnitude = bias != nullptr ? std::abs(static_cast<double>(bias[o])) : 0;
    for (int64_t t = 0; t < taps; t++) {
      sum = wrapping_add(sum, plan.plain_weights[o * taps + t]);
      magnitude += 255.0 * std::abs(plan.plain_weights[o * taps + t]);
    }
    plan.inside->as<int32_t>()[o] = sum;
    plan.bias->as<int32_t>()[o] = bias != nullptr ? bias[o] : 0;
    if (multiplier != nullptr) {
      plan.multiplier->as<float>()[o] = multiplier[o];
      // A NaN multiplier takes the path that clamps.
      plan.overflows = plan.overflows || !(magnitude * std::abs(multiplier[o]) < 2e9);
    }
  }
  const size_t steps = first_step(p);
  plan.stepped = has_stepped_end(p.type, p.to, a, steps);
  if (plan.stepped) {
    const auto make = [&](const uint8_t* from, float absent) {
      auto made = std::make_unique<AlignedBuffer>(outputs * 4);
      std::fill_n(made->as<float>(), outputs, absent);
      if (from != nullptr) std::copy_n(reinterpret_cast<const float*>(from), outputs, made->as<float>());
      return made;
    };
    plan.scale = make(a[steps], 1);
    plan.offset = make(a[steps + 1], 0);
  }
  const bool done = (target.isa == Isa::avx512 && prepare_depthwise_avx512(plan)) ||
                    (target.isa != Isa::scalar && prepare_depthwise_avx2(plan));
  if (!done) prepare_depthwise_scalar(plan);
  plan.base = std::make_unique<AlignedBuffer>(plan.inside->bytes());
  plan.set_source_zero_point(p.source_zero_point.value_or(0));
  if (p.floats) {
    plan.scale = std::make_unique<AlignedBuffer>(plan.blocks() * plan.block_width * 4);
    plan.offset = std::make_unique<AlignedBuffer>(plan.blocks() * plan.block_width * 4);
  }
  return result;
}

}  // namespace

void prepare_depthwise_scalar(DepthwisePlan& plan) {
  plan.block_width = std::max<int64_t>(1, plan.end - plan.begin);
  plan.compute.assign(plan.blocks(), compute_scalar);
}

KernelProgram make_depthwise(const DepthwiseParams& p, const KernelTarget& target) {
  const int64_t outputs = checked_product(p.channels, p.multiplier);
  const int64_t taps = checked_product(p.kernel[0], p.kernel[1]);
  const int64_t element = p.type == OutputType::s32 ? 4 : 1;
  require(!p.floats || p.type == OutputType::s32, "depthwise: floats end sums of type s32");
  require(!p.floats || p.floats->scales == 1 || p.floats->scales == outputs,
          "depthwise: scales must be 1 or the number of output channels");
  KernelProgram program;
  program.arguments = {
      {.name = "source", .bytes = checked_product(p.batch, p.input[0], p.input[1], p.channels)},
      {.name = "weights", .bytes = checked_product(outputs, taps), .constant = true, .packed = true},
      {.name = "bias", .bytes = checked_product(outputs, 4), .alignment = 4, .required = false, .constant = true, .packed = true},
      {.name = "multiplier",
       .bytes = checked_product(outputs, 4),
       .alignment = 4,
       .required = element == 1,
       .constant = true, .packed = true},
      {.name = "destination",
       .bytes = checked_product(p.batch, p.output[0], p.output[1], outputs, element),
       .access = Access::write,
       .alignment = element},
      {.name = "weightsZeroPoint", .bytes = outputs, .required = false, .constant = true, .packed = true}};
  if (!p.source_zero_point) program.arguments.push_back({.name = "sourceZeroPoint", .bytes = 1});
  const size_t factors = first_step(p);
  const auto more = p.floats ? scaled_end_arguments(*p.floats, outputs) : step_arguments(p.type, outputs);
  program.arguments.insert(program.arguments.end(), more.begin(), more.end());
  auto plans = std::make_shared<std::vector<std::shared_ptr<DepthwisePlan>>>();
  program.prepare = [=](Addresses a, const Identities&) {
    const int64_t middle = target.isa == Isa::avx512 ? divide_depthwise_avx512(outputs) : outputs;
    plans->push_back(prepare(p, target, outputs, 0, middle, a));
    if (middle < outputs) plans->push_back(prepare(p, target, outputs, middle, outputs, a));
    return 0;
  };
  program.run = [=](Addresses a) {
    int64_t blocks = 0;
    for (const auto& plan : *plans) {
      blocks += plan->blocks();
      if (!p.source_zero_point) plan->set_source_zero_point(value_of(p.source_type, a[6]));
      if (!p.floats) continue;
      plan->set_factors(
          {reinterpret_cast<const float*>(a[factors]), reinterpret_cast<const float*>(a[factors + 1])});
    }
    const int64_t work = blocks == 0 ? 0 : kRowsLimit * p.output[1] * outputs * (4 + taps) / 4 / blocks;
    const int64_t parts = (p.output[0] + kRowsLimit - 1) / kRowsLimit;  // of an image
    parallel(target.threads, p.batch * parts * blocks, work, 1, [&](int64_t begin, int64_t end, int thread) {
      // Backwards: the layer in front wrote its rows forwards, and the last ones are still near where the cache does not
      // hold all of them.
      for (int64_t unit = end; unit-- > begin;) {
        int64_t block = unit % blocks;
        const DepthwisePlan* plan = plans->front().get();
        if (block >= plan->blocks()) {
          block -= plan->blocks();
          plan = plans->back().get();
        }
        const int64_t part = unit / blocks, first = part % parts * kRowsLimit;
        const int64_t last = std::min(p.output[0], first + kRowsLimit), image = part / parts * p.output[0];
        for (int64_t row = first; row < last; row += plan->rows)
          plan->compute[block](*plan, a[0], a[4], image + row, block, thread);
      }
    });
  };
  return program;
}

}  // namespace unskew
