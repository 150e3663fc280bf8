// Average pools of bytes over windows, channels last: the recipes of numerics/qlinear_pool.ts and numerics/tflite_pool.ts.
#include "kernels/elementwise.h"
#include "kernels/taps.h"

namespace unskew {

namespace {

constexpr int64_t kBlock = 64;  // channels whose sums are held at once

// Every product and every sum rounds: the sum over taps is in binary32.
template <class T>
struct AddReal {
  UNSKEW_INLINE static void run(const T* source, float zero_point, float scale, float* sums, int64_t count) {
    for (int64_t c = 0; c < count; c++) sums[c] += (static_cast<float>(source[c]) - zero_point) * scale;
  }
};

template <class T>
struct RoundReal {
  UNSKEW_INLINE static void run(const float* sums, float count, float scale, float zero_point, T* results,
                                int64_t channels) {
    constexpr float kLow = std::is_signed_v<T> ? -128 : 0, kHigh = std::is_signed_v<T> ? 127 : 255;
    for (int64_t c = 0; c < channels; c++) {
      const float average = sums[c] / count;
      results[c] = static_cast<T>(round_to_int(clamp_float(average / scale + zero_point, kLow, kHigh)));
    }
  }
};

// The integers as they are; half of a divisor is added away from 0, and the quotient is truncated. Sums are below 2^31 and quotients
// are bytes, so that no quotient rounds to the next integer in binary64.
template <class T>
struct RoundRaw {
  UNSKEW_INLINE static void run(const float* sums, float count, float, float, T* results, int64_t channels) {
    const double half = static_cast<double>(static_cast<int32_t>(count) / 2);
    for (int64_t c = 0; c < channels; c++) {
      const double sum = sums[c];
      const double quotient = (sum > 0 ? sum + half : sum - half) / static_cast<double>(count);
      results[c] = static_cast<T>(static_cast<int32_t>(quotient));
    }
  }
};

template <class T>
KernelProgram make_pool(const ByteAveragePoolParams& p, const KernelTarget& target) {
  const int64_t input = checked_product(p.input[0], p.input[1], p.input[2]);
  const int64_t output = checked_product(p.output[0], p.output[1], p.output[2]);
  const int64_t taps = checked_product(p.kernel[0], p.kernel[1], p.kernel[2]);
  require(taps < int64_t{1} << 16, "byte-average-pool: a window has at most 65535 taps");
  const auto add = version_of<AddReal<T>>(target.isa);
  const auto round = p.is_raw ? version_of<RoundRaw<T>>(target.isa) : version_of<RoundReal<T>>(target.isa);
  KernelProgram program;
  program.arguments = {
      {.name = "source", .bytes = checked_product(p.batch, input, p.channels)},
      {.name = "destination", .bytes = checked_product(p.batch, output, p.channels), .access = Access::write}};
  program.run = [=, threads = target.threads](Addresses a) {
    const auto* source = reinterpret_cast<const T*>(a[0]);
    auto* destination = reinterpret_cast<T*>(a[1]);
    parallel(threads, p.batch * output, taps * p.channels * 2, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; i++) {
        const Taps z = taps_at(p, 0, i / (p.output[2] * p.output[1]) % p.output[0]);
        const Taps y = taps_at(p, 1, i / p.output[2] % p.output[1]), x = taps_at(p, 2, i % p.output[2]);
        const T* image = source + i / output * input * p.channels;
        const int64_t inside = z.count() * y.count() * x.count();
        const auto count = static_cast<float>(p.counts_padding ? taps : inside);
        T* results = destination + i * p.channels;
        if (count == 0 && p.is_raw) {  // NaN, which bytes store as 0
          std::fill_n(results, p.channels, T{0});
          continue;
        }
        for (int64_t first = 0; first < p.channels; first += kBlock) {
          const int64_t channels = std::min(kBlock, p.channels - first);
          float sums[kBlock] = {};
          for (int64_t tz = z.first; tz < z.last; tz++) {
            for (int64_t ty = y.first; ty < y.last; ty++) {
              for (int64_t tx = x.first; tx < x.last; tx++) {
                const int64_t position = (z.at(tz) * p.input[1] + y.at(ty)) * p.input[2] + x.at(tx);
                add(image + position * p.channels + first, p.source_zero_point, p.source_scale, sums, channels);
              }
            }
          }
          round(sums, count, p.scale, p.zero_point, results + first, channels);
        }
      }
    });
  };
  return program;
}

}  // namespace

KernelProgram make_byte_average_pool(const ByteAveragePoolParams& p, const KernelTarget& target) {
  return p.type == ByteType::u8 ? make_pool<uint8_t>(p, target) : make_pool<int8_t>(p, target);
}

}  // namespace unskew
