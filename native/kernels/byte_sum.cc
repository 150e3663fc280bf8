#include <limits>

#include "kernels/broadcast.h"
#include "kernels/elementwise.h"

namespace unskew {

namespace {

// Sums of bytes as XNNPACK computes them: src/numerics/xnnpack_binary.ts says why.
//
//   y = clamp(((A·a + B·b + offset) >> shift) + zC)      every intermediate is an int32, modulo 2^32
template <class T, bool kStepA, bool kStepB>
struct Sum {
  UNSKEW_INLINE static void run(const uint8_t* source, const uint8_t* source1, const ByteSum& how,
                                uint8_t* destination, int64_t count) {
    constexpr int32_t low = std::numeric_limits<T>::min(), high = std::numeric_limits<T>::max();
    const ByteSum k = how;
    for (int64_t i = 0; i < count; i++) {
      const int32_t a = static_cast<T>(source[kStepA ? i : 0]), b = static_cast<T>(source1[kStepB ? i : 0]);
      const int32_t sum = wrapping_add(
          wrapping_add(wrapping_multiply(k.multiplier_a, a), wrapping_multiply(k.multiplier_b, b)), k.offset);
      const int32_t value = (sum >> k.shift) + k.zero_point;
      destination[i] = static_cast<uint8_t>(static_cast<T>(value < low ? low : value > high ? high : value));
    }
  }
};

using Loop = void (*)(const uint8_t*, const uint8_t*, const ByteSum&, uint8_t*, int64_t);

// Which operands step along: both, the first, the second, none.
struct Loops {
  Loop step[2][2];
};

template <class T>
Loops loops_for(Isa isa) {
  return {{{version_of<Sum<T, false, false>>(isa), version_of<Sum<T, false, true>>(isa)},
           {version_of<Sum<T, true, false>>(isa), version_of<Sum<T, true, true>>(isa)}}};
}

}  // namespace

KernelProgram make_byte_sum(const ByteSumParams& params, const KernelTarget& target) {
  const ByteSum how = params.how;
  const Loops loops = params.type == ByteType::u8 ? loops_for<uint8_t>(target.isa) : loops_for<int8_t>(target.isa);
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
