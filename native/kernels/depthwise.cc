#include "kernels/depthwise.h"

namespace unskew {

namespace {

// The accumulator as the output type has it.
void store(const DepthwisePlan& plan, int32_t v, int64_t channel, uint8_t* destination, int64_t at) {
  const Requantization& to = plan.p.to;
  if (plan.p.type == OutputType::s32) {
    reinterpret_cast<int32_t*>(destination)[at] = v;
  } else {
    const auto low = static_cast<float>(to.low - to.zero_point), high = static_cast<float>(to.high - to.zero_point);
    destination[at] = static_cast<uint8_t>(requantize_value(v, plan.multiplier[channel], low, high, to.zero_point));
  }
}

}  // namespace

void depthwise_rows_scalar(const DepthwisePlan& plan, const uint8_t* source, uint8_t* destination, int64_t begin,
                           int64_t end, int) {
  const DepthwiseParams& p = plan.p;
  const int64_t taps = p.kernel[0] * p.kernel[1];
  const auto value = [&](int64_t at) {
    return p.source_type == ByteType::u8 ? int32_t{source[at]} : int32_t{static_cast<int8_t>(source[at])};
  };
  for (int64_t row = begin; row < end; row++) {
    const int64_t n = row / p.output[0], y = row % p.output[0];
    for (int64_t x = 0; x < p.output[1]; x++) {
      for (int64_t o = 0; o < plan.outputs; o++) {
        int32_t sum = plan.base[o];
        for (int64_t i = 0; i < p.kernel[0]; i++) {
          const int64_t in_y = y * p.strides[0] - p.begin[0] + i * p.dilations[0];
          for (int64_t j = 0; j < p.kernel[1]; j++) {
            const int64_t in_x = x * p.strides[1] - p.begin[1] + j * p.dilations[1];
            const bool inside = in_y >= 0 && in_y < p.input[0] && in_x >= 0 && in_x < p.input[1];
            const int32_t v = inside ? value(((n * p.input[0] + in_y) * p.input[1] + in_x) * p.channels + o / p.multiplier)
                                     : p.source_zero_point;
            sum = wrapping_add(sum, v * plan.weights[o * taps + i * p.kernel[1] + j]);
          }
        }
        store(plan, sum, o, destination, (row * p.output[1] + x) * plan.outputs + o);
      }
    }
  }
}

KernelProgram make_depthwise(const DepthwiseParams& p, const KernelTarget& target) {
  auto plan = std::make_shared<DepthwisePlan>();
  plan->p = p;
  plan->threads = target.threads;
  plan->outputs = checked_product(p.channels, p.multiplier);
  const int64_t taps = checked_product(p.kernel[0], p.kernel[1]);
  const int64_t element = p.type == OutputType::s32 ? 4 : 1;
  KernelProgram program;
  program.arguments = {
      {.name = "source", .bytes = checked_product(p.batch, p.input[0], p.input[1], p.channels)},
      {.name = "weights", .bytes = checked_product(plan->outputs, taps), .constant = true},
      {.name = "bias", .bytes = checked_product(plan->outputs, 4), .alignment = 4, .required = false, .constant = true},
      {.name = "multiplier", .bytes = checked_product(plan->outputs, 4), .alignment = 4, .required = element == 1, .constant = true},
      {.name = "destination",
       .bytes = checked_product(p.batch, p.output[0], p.output[1], plan->outputs, element),
       .access = Access::write,
       .alignment = element}};
  program.prepare = [plan, taps](Addresses a) {
    const auto* weights = reinterpret_cast<const int8_t*>(a[1]);
    const auto* bias = reinterpret_cast<const int32_t*>(a[2]);
    const auto* multiplier = reinterpret_cast<const float*>(a[3]);
    plan->weights.assign(weights, weights + plan->outputs * taps);
    plan->base.resize(plan->outputs);
    for (int64_t o = 0; o < plan->outputs; o++) {
      int32_t sum = 0;
      for (int64_t t = 0; t < taps; t++) sum = wrapping_add(sum, weights[o * taps + t]);
      plan->base[o] = wrapping_subtract(bias != nullptr ? bias[o] : 0, wrapping_multiply(plan->p.source_zero_point, sum));
    }
    if (multiplier != nullptr) plan->multiplier.assign(multiplier, multiplier + plan->outputs);
  };
  program.run = [plan, taps](Addresses a) {
    const DepthwiseParams& p = plan->p;
    parallel(plan->threads, p.batch * p.output[0], p.output[1] * plan->outputs * taps, 1, [&](int64_t begin, int64_t end, int thread) {
      depthwise_rows_scalar(*plan, a[0], a[4], begin, end, thread);
    });
  };
  return program;
}

}  // namespace unskew
