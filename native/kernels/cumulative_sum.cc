// Sums up to each element along the middle of [outer, length, inner], in order: floats in binary64, integers modulo 2^bits.
#include "kernels/elementwise.h"
#include "kernels/rows.h"

namespace unskew {

namespace {

constexpr int64_t kColumns = 64;

template <class T>
struct CumulativeSum {
  using Sum = std::conditional_t<std::is_floating_point_v<T>, double, T>;

  UNSKEW_INLINE static void run(const CumulativeSumParams* p, const uint8_t* from, uint8_t* to, int64_t begin,
                                int64_t end) {
    const int64_t inner = p->inner;
    for (int64_t i = begin; i < end;) {
      const int64_t first = i % inner, columns = std::min({kColumns, inner - first, end - i});
      const int64_t start = i / inner * p->length * inner + first;
      Sum sums[kColumns] = {};
      for (int64_t step = 0; step < p->length; step++) {
        const int64_t at = start + (p->reverse ? p->length - 1 - step : step) * inner;
        const T* x = reinterpret_cast<const T*>(from) + at;
        T* y = reinterpret_cast<T*>(to) + at;
        if (p->exclusive) {
          for (int64_t k = 0; k < columns; k++) {
            const Sum value = static_cast<Sum>(x[k]);
            y[k] = static_cast<T>(sums[k]);
            sums[k] += value;
          }
        } else {
          for (int64_t k = 0; k < columns; k++) {
            sums[k] += static_cast<Sum>(x[k]);
            y[k] = static_cast<T>(sums[k]);
          }
        }
      }
      i += columns;
    }
  }
};

}  // namespace

KernelProgram make_cumulative_sum(const CumulativeSumParams& p, const KernelTarget& target) {
  const auto [run, size] =
      [&]() -> std::pair<void (*)(const CumulativeSumParams*, const uint8_t*, uint8_t*, int64_t, int64_t), int64_t> {
    switch (p.type) {
      case RowType::f32: return {version_of<CumulativeSum<float>>(target.isa), 4};
      case RowType::f64: return {version_of<CumulativeSum<double>>(target.isa), 8};
      case RowType::s32:
      case RowType::u32: return {version_of<CumulativeSum<uint32_t>>(target.isa), 4};
      case RowType::s64:
      case RowType::u64: return {version_of<CumulativeSum<uint64_t>>(target.isa), 8};
      default: require(false, "cumulative-sum: a type of fewer than 32 bits"); return {nullptr, 0};
    }
  }();
  const int64_t bytes = checked_product(p.outer, p.length, p.inner, size);
  KernelProgram program;
  program.arguments = {{.name = "source", .bytes = bytes, .alignment = size, .in_place = true},
                       {.name = "destination", .bytes = bytes, .access = Access::write, .alignment = size}};
  program.run = [=, run = run, threads = target.threads](Addresses a) {
    parallel(threads, p.outer * p.inner, p.length * 8, 16,
             [&](int64_t begin, int64_t end, int) { run(&p, a[0], a[1], begin, end); });
  };
  return program;
}

}  // namespace unskew
