#include <limits>

#include "kernels/broadcast.h"
#include "kernels/elementwise.h"

namespace unskew {

namespace {

// Sums and products of bytes as XNNPACK computes them: src/numerics/xnnpack_binary.ts says why.
//
//   sum       y = clamp(((A·a + B·b + offset) >> shift) + zC)      every intermediate is an int32, modulo 2^32
//   product   y = clamp(rne(fl((a − zA)(b − zB)·m)) + zC)
template <bool kSum, class T, bool kStepA, bool kStepB>
struct Bytes {
  UNSKEW_INLINE static void run(const uint8_t* source, const uint8_t* source1, const ByteBinary& how,
                                uint8_t* destination, int64_t count) {
    constexpr int32_t low = std::numeric_limits<T>::min(), high = std::numeric_limits<T>::max();
    const ByteBinary k = how;
    const float least = static_cast<float>(low - k.zero_point), most = static_cast<float>(high - k.zero_point);
    for (int64_t i = 0; i < count; i++) {
      const int32_t a = static_cast<T>(source[kStepA ? i : 0]), b = static_cast<T>(source1[kStepB ? i : 0]);
      int32_t value;
      if constexpr (kSum) {
        const int32_t sum = wrapping_add(
            wrapping_add(wrapping_multiply(k.multiplier_a, a), wrapping_multiply(k.multiplier_b, b)), k.offset);
        value = (sum >> k.shift) + k.zero_point;
        value = value < low ? low : value > high ? high : value;
      } else {
        const auto product = static_cast<float>((a - k.zero_a) * (b - k.zero_b));  // exact
        value = round_to_int(clamp_float(product * k.factor, least, most)) + k.zero_point;
      }
      destination[i] = static_cast<uint8_t>(static_cast<T>(value));
    }
  }
};

using Loop = void (*)(const uint8_t*, const uint8_t*, const ByteBinary&, uint8_t*, int64_t);

// Which operands step along: both, the first, the second, none.
struct Loops {
  Loop step[2][2];
};

template <bool kSum, class T>
Loops loops_for(Isa isa) {
  return {{{version_of<Bytes<kSum, T, false, false>>(isa), version_of<Bytes<kSum, T, false, true>>(isa)},
           {version_of<Bytes<kSum, T, true, false>>(isa), version_of<Bytes<kSum, T, true, true>>(isa)}}};
}

Loops choose_loops(const ByteBinaryParams& p, Isa isa) {
  const bool is_unsigned = p.type == ByteType::u8;
  if (p.how.is_sum) return is_unsigned ? loops_for<true, uint8_t>(isa) : loops_for<true, int8_t>(isa);
  return is_unsigned ? loops_for<false, uint8_t>(isa) : loops_for<false, int8_t>(isa);
}

}  // namespace

KernelProgram make_byte_binary(const ByteBinaryParams& params, const KernelTarget& target) {
  const ByteBinary how = params.how;
  const Loops loops = choose_loops(params, target.isa);
  return make_broadcast_binary(params.shape, params.source_strides, params.source1_strides, target.threads, {},
                               [=](const uint8_t* a, int64_t step_a, const uint8_t* b, int64_t step_b, uint8_t* d,
                                   int64_t count, const uint8_t*) {
                                 if ((step_a == 0 || step_a == 1) && (step_b == 0 || step_b == 1)) {
                                   loops.step[step_a][step_b](a, b, how, d, count);
                                 } else {
                                   for (int64_t i = 0; i < count; i++)
                                     loops.step[0][0](a + i * step_a, b + i * step_b, how, d + i, 1);
                                 }
                               });
}

}  // namespace unskew
