#include "kernels/elementwise.h"

namespace unskew {

namespace {

constexpr int64_t kLanes = 8;

struct Limits {
  float low, high;
};

// Least and greatest of 0 and the elements; a NaN is passed over.
struct FindLimits {
  UNSKEW_INLINE static void run(const float* source, int64_t count, Limits* limits) {
    typedef float Vector __attribute__((vector_size(kLanes * sizeof(float))));
    Vector low = {}, high = {}, value;
    int64_t i = 0;
    for (; i + kLanes <= count; i += kLanes) {
      std::memcpy(&value, source + i, sizeof value);
      low = value < low ? value : low;
      high = value > high ? value : high;
    }
    for (; i < count; i++) {
      low[0] = source[i] < low[0] ? source[i] : low[0];
      high[0] = source[i] > high[0] ? source[i] : high[0];
    }
    *limits = {low[0], high[0]};
    for (int64_t lane = 1; lane < kLanes; lane++) {
      *limits = {std::min(limits->low, low[lane]), std::max(limits->high, high[lane])};
    }
  }
};
struct Convert {
  UNSKEW_INLINE static void run(const float* source, float scale, int32_t zero_point, uint8_t* destination,
                                int64_t count) {
    const float low = static_cast<float>(-zero_point), high = static_cast<float>(255 - zero_point);
    for (int64_t i = 0; i < count; i++) {
      destination[i] = static_cast<uint8_t>(round_to_int(clamp_float(source[i] / scale, low, high)) + zero_point);
    }
  }
};

}  // namespace

KernelProgram make_dynamic_quantize(const DynamicQuantizeParams& params, const KernelTarget& target) {
  const int64_t count = params.count;
  const auto limits_of = version_of<FindLimits>(target.isa);
  const auto convert = version_of<Convert>(target.isa);
  KernelProgram program;
  program.arguments = {{.name = "source", .bytes = checked_product(count, 4), .alignment = 4},
                       {.name = "destination", .bytes = count, .access = Access::write},
                       {.name = "scale", .bytes = 4, .access = Access::write, .alignment = 4},
                       {.name = "zeroPoint", .bytes = 1, .access = Access::write}};
  program.run = [=, threads = target.threads](Addresses a) {
    const auto* source = reinterpret_cast<const float*>(a[0]);
    std::vector<Limits> parts(static_cast<size_t>(threads), Limits{0, 0});
    parallel(threads, count, 4, 64, [&](int64_t begin, int64_t end, int thread) {
      limits_of(source + begin, end - begin, &parts[static_cast<size_t>(thread)]);
    });
    Limits limits{0, 0};
    for (const Limits& part : parts) limits = {std::min(limits.low, part.low), std::max(limits.high, part.high)};
    // ONNX Runtime gives an all-zero tensor the scale 1.
    const float scale = limits.low == limits.high ? 1.0f : (limits.high - limits.low) / 255.0f;
    // inf/inf makes the zero point 255: minps takes its second operand then.
    const float exact = 0.0f - limits.low / scale, limited = exact < 255.0f ? exact : 255.0f;
    const float zero_point = std::rint(limited > 0.0f ? limited : 0.0f);
    parallel(threads, count, 4, 64, [&](int64_t begin, int64_t end, int) {
      convert(source + begin, scale, static_cast<int32_t>(zero_point), a[1] + begin, end - begin);
    });
    *reinterpret_cast<float*>(a[2]) = scale;
    *a[3] = static_cast<uint8_t>(zero_point);
  };
  return program;
}

}  // namespace unskew
