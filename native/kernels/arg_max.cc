// The position of the largest element along an axis: of equal ones the first, or the last.
#include "kernels/kernels.h"

namespace unskew {

namespace {

template <class T, bool kLast>
int64_t largest(const T* source, int64_t length, int64_t stride) {
  T best = source[0];
  int64_t at = 0;
  for (int64_t i = 1; i < length; i++) {
    const T value = source[i * stride];
    if (value > best || (kLast && value == best)) best = value, at = i;
  }
  return at;
}

template <class T>
KernelProgram make_program(const ArgMaxParams& p, const KernelTarget& target) {
  KernelProgram program;
  program.arguments = {
      {.name = "source", .bytes = checked_product(p.outer, p.length, p.inner, sizeof(T)), .alignment = sizeof(T)},
      {.name = "destination",
       .bytes = checked_product(p.outer, p.inner, 8),
       .access = Access::write,
       .alignment = alignof(int64_t)}};
  const auto find = p.last ? largest<T, true> : largest<T, false>;
  program.run = [=, threads = target.threads](Addresses a) {
    const auto* source = reinterpret_cast<const T*>(a[0]);
    auto* destination = reinterpret_cast<int64_t*>(a[1]);
    parallel(threads, p.outer * p.inner, p.length, 8, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; i++) {
        destination[i] = find(source + i / p.inner * p.length * p.inner + i % p.inner, p.length, p.inner);
      }
    });
  };
  return program;
}

}  // namespace

KernelProgram make_arg_max(const ArgMaxParams& p, const KernelTarget& target) {
  require(p.length >= 1, "arg-max: the axis is empty");
  switch (p.type) {
    case ElementType::u8: return make_program<uint8_t>(p, target);
    case ElementType::s8: return make_program<int8_t>(p, target);
    case ElementType::s16: return make_program<int16_t>(p, target);
    case ElementType::s32: return make_program<int32_t>(p, target);
    default: return make_program<float>(p, target);
  }
}

}  // namespace unskew
