// Quantization by the range of what is quantized: the limits of a row first, then its scale and zero point, then its integers.
// src/numerics has the formulas: quantize_linear.ts (onnx), torch.ts (torch), dynamic_rows.ts (the others).
#include "kernels/rounding.h"

namespace unskew {

namespace {

struct Limits {
  float low, high;
};

// Least and greatest of 0 and the elements; a NaN is passed over.
struct FindLimits {
  UNSKEW_INLINE static void run(const float* source, int64_t count, Limits* limits) {
    constexpr int64_t kLanes = 16, kChains = 4;  // a minimum waits for the one before it, unless there are several
    typedef float Vector __attribute__((vector_size(kLanes * sizeof(float))));
    Vector low[kChains] = {}, high[kChains] = {};
    int64_t i = 0;
    for (; i + kChains * kLanes <= count; i += kChains * kLanes) {
      for (int64_t chain = 0; chain < kChains; chain++) {
        Vector value;
        std::memcpy(&value, source + i + chain * kLanes, sizeof value);
        low[chain] = value < low[chain] ? value : low[chain];
        high[chain] = value > high[chain] ? value : high[chain];
      }
    }
    for (; i < count; i++) {
      low[0][0] = source[i] < low[0][0] ? source[i] : low[0][0];
      high[0][0] = source[i] > high[0][0] ? source[i] : high[0][0];
    }
    *limits = {0, 0};
    for (int64_t chain = 0; chain < kChains; chain++) {
      for (int64_t lane = 0; lane < kLanes; lane++) {
        *limits = {std::min(limits->low, low[chain][lane]), std::max(limits->high, high[chain][lane])};
      }
    }
  }
};

// The integers of a row: sat(round(x / scale) + zero point), or of x · factor.
struct RowQuantization {
  float scale;
  int32_t zero_point;
  float factor;
  float low, high;  // less the zero point
};

// rne(x / scale). A division takes four times as long as all else, and x · (1 / scale) rounds to the same integer but near ties: both
// quotients are within 2^-13 of x / scale where that is within the limits.
struct Divide {
  static constexpr int64_t kRun = 128;
  static constexpr float kSure = 0.5f - 1.0f / 4096;

  UNSKEW_INLINE static void exactly(const float* source, const RowQuantization& to, uint8_t* destination,
                                    int64_t count) {
    for (int64_t i = 0; i < count; i++) {
      const float value = clamp_float(source[i] / to.scale, to.low, to.high);
      destination[i] = static_cast<uint8_t>(round_to_int(value) + to.zero_point);
    }
  }
  UNSKEW_INLINE static void run(const float* source, const RowQuantization* row, uint8_t* destination, int64_t count) {
    const RowQuantization to = *row;
    const bool is_usual = to.scale > 0x1p-100f && to.scale < 0x1p100f;  // else the factor is not exact enough
    int64_t first = 0;
    for (; is_usual && first + kRun <= count; first += kRun) {
      int32_t doubts = 0;
      for (int64_t i = first; i < first + kRun; i++) {
        const float value = clamp_float(source[i] * to.factor, to.low, to.high), whole = __builtin_rintf(value);
        doubts |= __builtin_fabsf(value - whole) > kSure ? 1 : 0;
        destination[i] = static_cast<uint8_t>(static_cast<int32_t>(whole) + to.zero_point);
      }
      if (doubts != 0) exactly(source + first, to, destination + first, kRun);
    }
    exactly(source + first, to, destination + first, count - first);
  }
};

// round(x · factor)
template <bool kAway>
struct Multiply {
  UNSKEW_INLINE static void run(const float* source, const RowQuantization* row, uint8_t* destination, int64_t count) {
    const RowQuantization to = *row;
    for (int64_t i = 0; i < count; i++) {
      const float value = clamp_float(source[i] * to.factor, to.low, to.high);
      const int32_t whole = kAway ? round_real<Rounding::half_away>(value) : round_to_int(value);
      destination[i] = static_cast<uint8_t>(whole + to.zero_point);
    }
  }
};

// `low` and `high` are the least and the greatest integer.
RowQuantization limited(float scale, int32_t zero_point, float factor, int32_t low, int32_t high) {
  return {scale, zero_point, factor, static_cast<float>(low - zero_point), static_cast<float>(high - zero_point)};
}

RowQuantization of_onnx(const Limits& limits) {
  // ONNX Runtime gives an all-zero tensor the scale 1.
  const float scale = limits.low == limits.high ? 1.0f : (limits.high - limits.low) / 255.0f;
  // inf/inf makes the zero point 255: minps takes its second operand then.
  const float exact = 0.0f - limits.low / scale, most = exact < 255.0f ? exact : 255.0f;
  const auto zero_point = static_cast<int32_t>(std::rint(most > 0.0f ? most : 0.0f));
  return limited(scale, zero_point, 1.0f / scale, 0, 255);
}

RowQuantization of_torch(const Limits& limits, int32_t most) {
  constexpr float kSmallest = 6.1e-5f;
  double low = limits.low, top = limits.high, scale = (top - low) / most;
  const auto single = static_cast<float>(scale);
  if (single == 0 || std::isinf(1.0 / single)) scale = 0.1;
  if (scale < kSmallest) {
    const double amplifier = kSmallest / scale;
    scale = kSmallest;
    if (low == 0) {
      top = static_cast<float>(static_cast<double>(kSmallest) * most);
    } else if (top == 0) {
      low = -static_cast<float>(static_cast<double>(kSmallest) * most);
    } else {
      low = static_cast<float>(low * amplifier);
      top = static_cast<float>(top * amplifier);
    }
  }
  const double from_low = -low / scale, from_high = most - top / scale;
  const bool is_low = -std::fabs(low / scale) < most - std::fabs(top / scale);
  const double zero_point = std::rint(clamp_real(is_low ? from_low : from_high, 0.0, static_cast<double>(most)));
  return limited(static_cast<float>(scale), static_cast<int32_t>(zero_point), 1.0f / static_cast<float>(scale), 0, 255);
}

RowQuantization of_symmetric_row(const Limits& limits) {
  const float range = std::max(limits.high, -limits.low);
  if (range == 0) return limited(1, 0, 0, 0, 0);
  return limited(range / 127, 0, 127 / range, -127, 127);
}

RowQuantization of_asymmetric_row(const Limits& limits) {
  if (limits.low == limits.high) return limited(1, 0, 0, 0, 0);
  const double step = static_cast<double>(limits.high - limits.low) / 255;
  const double low = limits.low / step, high = limits.high / step;
  const double exact = 128 + std::fabs(low) < 127 + std::fabs(high) ? -128 - low : 127 - high;
  const auto zero_point = round_real<Rounding::half_away>(clamp_real(exact, -128.0, 127.0));
  const auto scale = static_cast<float>(step);
  return limited(scale, zero_point, 1.0f / scale, -128, 127);
}

RowQuantization of_xnnpack_row(const Limits& limits) {
  const float steps = limits.low == limits.high ? 1.0f : 255.0f / (limits.high - limits.low);
  const float low = limits.low * steps, high = limits.high * steps;
  const float error = (-128.0f + low) + (127.0f + high);
  const float exact = error > 0 ? -128.0f - low : 127.0f - high;
  const int32_t zero_point = round_to_int(clamp_float(exact, -128.0f, 127.0f));
  return limited(1.0f / steps, zero_point, steps, -128, 127);
}

RowQuantization quantization_of(const DynamicQuantizeParams& p, const Limits& limits) {
  switch (p.recipe) {
    case DynamicRecipe::onnx: return of_onnx(limits);
    case DynamicRecipe::torch: return of_torch(limits, p.high);
    case DynamicRecipe::symmetric: return of_symmetric_row(limits);
    case DynamicRecipe::asymmetric: return of_asymmetric_row(limits);
    default: return of_xnnpack_row(limits);
  }
}

using Convert = void (*)(const float*, const RowQuantization*, uint8_t*, int64_t);

Convert convert_of(DynamicRecipe recipe, Isa isa) {
  switch (recipe) {
    case DynamicRecipe::onnx: return version_of<Divide>(isa);
    case DynamicRecipe::symmetric:
    case DynamicRecipe::asymmetric: return version_of<Multiply<true>>(isa);
    default: return version_of<Multiply<false>>(isa);
  }
}

}  // namespace

KernelProgram make_dynamic_quantize(const DynamicQuantizeParams& p, const KernelTarget& target) {
  const int64_t count = checked_product(p.rows, p.length);
  const auto limits_of = version_of<FindLimits>(target.isa);
  const Convert convert = convert_of(p.recipe, target.isa);
  KernelProgram program;
  program.arguments = {
      {.name = "source", .bytes = checked_product(count, 4), .alignment = 4},
      {.name = "destination", .bytes = count, .access = Access::write},
      {.name = "scale", .bytes = checked_product(p.rows, 4), .access = Access::write, .alignment = 4},
      {.name = "zeroPoint", .bytes = p.rows, .access = Access::write}};
  program.run = [=, threads = target.threads](Addresses a) {
    const auto* source = reinterpret_cast<const float*>(a[0]);
    const auto finish = [&](int64_t row, const Limits& limits) {
      const RowQuantization found = quantization_of(p, limits);
      reinterpret_cast<float*>(a[2])[row] = found.scale;
      a[3][row] = static_cast<uint8_t>(found.zero_point);
      return found;
    };
    if (p.rows != 1) {
      parallel(threads, p.rows, p.length * 4, 1, [&](int64_t begin, int64_t end, int) {
        for (int64_t row = begin; row < end; row++) {
          Limits limits;
          limits_of(source + row * p.length, p.length, &limits);
          const RowQuantization found = finish(row, limits);
          convert(source + row * p.length, &found, a[1] + row * p.length, p.length);
        }
      });
      return;
    }
    std::vector<Limits> parts(static_cast<size_t>(threads), Limits{0, 0});
    parallel(threads, count, 4, 64, [&](int64_t begin, int64_t end, int thread) {
      limits_of(source + begin, end - begin, &parts[static_cast<size_t>(thread)]);
    });
    Limits limits{0, 0};
    for (const Limits& part : parts) limits = {std::min(limits.low, part.low), std::max(limits.high, part.high)};
    const RowQuantization found = finish(0, limits);
    // Backwards, a part at a time: what was read last is still near.
    parallel(threads, count, 4, 64, [&](int64_t begin, int64_t end, int) {
      constexpr int64_t kPart = 8192;
      for (int64_t last = end; last > begin;) {
        const int64_t first = std::max(begin, last - kPart);
        convert(source + first, &found, a[1] + first, last - first);
        last = first;
      }
    });
  };
  return program;
}

}  // namespace unskew
