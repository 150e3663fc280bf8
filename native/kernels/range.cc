#include "kernels/range.h"

#include <cstring>

namespace unskew {

namespace {

// start + i·delta: integers modulo 2^bits, floats in binary64, rounded once.
template <class T>
void fill(Addresses a, int64_t count) {
  const T start = *reinterpret_cast<const T*>(a[0]), delta = *reinterpret_cast<const T*>(a[1]);
  T* to = reinterpret_cast<T*>(a[2]);
  for (int64_t i = 0; i < count; i++) {
    if constexpr (std::is_floating_point_v<T>) {
      to[i] = static_cast<T>(static_cast<double>(start) + static_cast<double>(i) * static_cast<double>(delta));
    } else {
      to[i] = static_cast<T>(static_cast<uint64_t>(start) + static_cast<uint64_t>(i) * static_cast<uint64_t>(delta));
    }
  }
}

}  // namespace

KernelProgram make_range(const RangeParams& p, const KernelTarget&) {
  const auto [run, size] = [&]() -> std::pair<void (*)(Addresses, int64_t), int64_t> {
    switch (p.type) {
      case RangeType::s16: return {fill<int16_t>, 2};
      case RangeType::s32: return {fill<int32_t>, 4};
      case RangeType::s64: return {fill<int64_t>, 8};
      case RangeType::f32: return {fill<float>, 4};
      default: return {fill<double>, 8};
    }
  }();
  KernelProgram program;
  program.arguments = {{.name = "start", .bytes = size, .alignment = size},
                       {.name = "delta", .bytes = size, .alignment = size},
                       {.name = "destination",
                        .bytes = checked_product(p.count, size),
                        .access = Access::write,
                        .alignment = size}};
  program.run = [run = run, count = p.count](Addresses a) { run(a, count); };
  return program;
}

KernelProgram make_numbers(std::vector<int64_t> values, const KernelTarget&) {
  const auto bytes = static_cast<int64_t>(values.size() * sizeof(int64_t));
  KernelProgram program;
  program.arguments = {{.name = "destination", .bytes = bytes, .access = Access::write, .alignment = 8}};
  program.run = [values = std::move(values)](Addresses a) {
    if (!values.empty()) std::memcpy(a[0], values.data(), values.size() * sizeof(int64_t));
  };
  return program;
}

}  // namespace unskew
