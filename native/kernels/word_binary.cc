// Arithmetic of s32 (modulo 2^32) and f32 tensors that broadcast.
#include "kernels/broadcast.h"
#include "kernels/elementwise.h"

namespace unskew {

namespace {

template <WordOperation kOperation>
UNSKEW_INLINE int32_t applied(int32_t a, int32_t b) {
  if constexpr (kOperation == WordOperation::add) return wrapping_add(a, b);
  if constexpr (kOperation == WordOperation::subtract) return wrapping_subtract(a, b);
  return wrapping_multiply(a, b);
}

template <WordOperation kOperation>
UNSKEW_INLINE float applied(float a, float b) {
  if constexpr (kOperation == WordOperation::add) return a + b;
  if constexpr (kOperation == WordOperation::subtract) return a - b;
  if constexpr (kOperation == WordOperation::divide) return a / b;
  return a * b;
}

// The operands step along, or are one element each.
template <class T, WordOperation kOperation, bool kStepA, bool kStepB>
struct Words {
  UNSKEW_INLINE static void run(const T* a, const T* b, T* destination, int64_t count) {
    for (int64_t i = 0; i < count; i++) destination[i] = applied<kOperation>(a[kStepA ? i : 0], b[kStepB ? i : 0]);
  }
};

template <class T, WordOperation kOperation>
KernelProgram make_program(const WordBinaryParams& p, const KernelTarget& target) {
  using Loop = void (*)(const T*, const T*, T*, int64_t);
  struct Loops {
    Loop step[2][2];
  };
  const Isa isa = target.isa;
  const Loops loops = {
      {{version_of<Words<T, kOperation, false, false>>(isa), version_of<Words<T, kOperation, false, true>>(isa)},
       {version_of<Words<T, kOperation, true, false>>(isa), version_of<Words<T, kOperation, true, true>>(isa)}}};
  return make_broadcast_binary<T>(
      p.shape, p.source_strides, p.source1_strides, target.threads, {},
      [=](const T* a, int64_t step_a, const T* b, int64_t step_b, T* d, int64_t count, const uint8_t*) {
        if ((step_a == 0 || step_a == 1) && (step_b == 0 || step_b == 1)) {
          loops.step[step_a][step_b](a, b, d, count);
        } else {
          for (int64_t i = 0; i < count; i++) loops.step[0][0](a + i * step_a, b + i * step_b, d + i, 1);
        }
      });
}

template <class T>
KernelProgram make_for(const WordBinaryParams& p, const KernelTarget& target) {
  switch (p.operation) {
    case WordOperation::add: return make_program<T, WordOperation::add>(p, target);
    case WordOperation::subtract: return make_program<T, WordOperation::subtract>(p, target);
    case WordOperation::multiply: return make_program<T, WordOperation::multiply>(p, target);
    default: break;
  }
  if constexpr (std::is_same_v<T, float>) return make_program<T, WordOperation::divide>(p, target);
  throw InvalidArgument("word-binary: s32 tensors are not divided");
}

}  // namespace

KernelProgram make_word_binary(const WordBinaryParams& p, const KernelTarget& target) {
  return p.is_float ? make_for<float>(p, target) : make_for<int32_t>(p, target);
}

}  // namespace unskew
