#include "kernels/elementwise.h"

namespace unskew {

namespace {

constexpr int64_t kBlock = 64;

// Sums of up to kBlock channels over all positions.
template <class T>
struct Sum {
  UNSKEW_INLINE static void run(const T* source, int64_t spatial, int64_t channels, int64_t block, int32_t* sums) {
    std::fill_n(sums, kBlock, 0);
    if (block == kBlock) {
      for (int64_t s = 0; s < spatial; s++) {
        for (int64_t c = 0; c < kBlock; c++) sums[c] = wrapping_add(sums[c], source[s * channels + c]);
      }
    } else {
      for (int64_t s = 0; s < spatial; s++) {
        for (int64_t c = 0; c < block; c++) sums[c] = wrapping_add(sums[c], source[s * channels + c]);
      }
    }
  }
};

template <class S, class T>
KernelProgram make_program(const GlobalAveragePoolParams& p, const KernelTarget& target) {
  const auto sum = version_of<Sum<S>>(target.isa);
  KernelProgram program;
  program.arguments = {{.name = "source", .bytes = checked_product(p.batch, p.spatial, p.channels)},
                       {.name = "destination",
                        .bytes = checked_product(p.batch, p.channels, sizeof(T)),
                        .access = Access::write,
                        .alignment = sizeof(T)}};
  program.run = [=, threads = target.threads](Addresses a) {
    const auto* source = reinterpret_cast<const S*>(a[0]);
    auto* destination = reinterpret_cast<T*>(a[1]);
    const int64_t blocks = (p.channels + kBlock - 1) / kBlock;
    const auto offset = wrapping_multiply(p.source_zero_point, static_cast<int32_t>(static_cast<uint32_t>(p.spatial)));
    // unused for sums
    const float low = static_cast<float>(int64_t{std::numeric_limits<T>::min()} - p.zero_point);
    const float high = static_cast<float>(int64_t{std::numeric_limits<T>::max()} - p.zero_point);
    parallel(threads, p.batch * blocks, p.spatial * kBlock, 1, [&](int64_t begin, int64_t end, int) {
      alignas(64) int32_t sums[kBlock];
      for (int64_t unit = begin; unit < end; unit++) {
        const int64_t n = unit / blocks, first = unit % blocks * kBlock, block = std::min(kBlock, p.channels - first);
        sum(source + n * p.spatial * p.channels + first, p.spatial, p.channels, block, sums);
        for (int64_t c = 0; c < block; c++) {
          const int32_t centred = wrapping_subtract(sums[c], offset);
          if constexpr (std::is_same_v<T, int32_t>) {
            destination[n * p.channels + first + c] = centred;
          } else {
            destination[n * p.channels + first + c] =
                static_cast<T>(requantize_value(centred, p.multiplier, low, high, p.zero_point));
          }
        }
      }
    });
  };
  return program;
}

template <class S>
KernelProgram make_from(const GlobalAveragePoolParams& p, const KernelTarget& target) {
  switch (p.type) {
    case OutputType::u8: return make_program<S, uint8_t>(p, target);
    case OutputType::s8: return make_program<S, int8_t>(p, target);
    default: return make_program<S, int32_t>(p, target);
  }
}

}  // namespace

KernelProgram make_global_average_pool(const GlobalAveragePoolParams& p, const KernelTarget& target) {
  return p.source_type == ByteType::u8 ? make_from<uint8_t>(p, target) : make_from<int8_t>(p, target);
}

}  // namespace unskew
