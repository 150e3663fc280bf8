// The positions of the largest or smallest elements along an axis: of equal ones the first, or the last. An element takes over when it
// compares so, which NaN never does.
#include "kernels/elementwise.h"
#include "kernels/rows.h"

namespace unskew {

namespace {

constexpr int64_t kColumns = 256;

template <class T, bool kLargest, bool kLast>
UNSKEW_INLINE bool takes_over(T value, T best) {
  if constexpr (kLargest) return kLast ? value >= best : value > best;
  return kLast ? value <= best : value < best;
}

template <class T, bool kLargest, bool kLast>
struct ArgMax {
  // Columns [first, first + columns) of [length, inner].
  UNSKEW_INLINE static void run_columns(const T* source, int64_t length, int64_t inner, int64_t columns,
                                        int64_t* destination) {
    T best[kColumns];
    int32_t at[kColumns] = {};
    std::copy_n(source, columns, best);
    for (int64_t i = 1; i < length; i++) {
      const T* row = source + i * inner;
      for (int64_t k = 0; k < columns; k++) {
        const bool is_better = takes_over<T, kLargest, kLast>(row[k], best[k]);
        best[k] = is_better ? row[k] : best[k];
        at[k] = is_better ? static_cast<int32_t>(i) : at[k];
      }
    }
    for (int64_t k = 0; k < columns; k++) destination[k] = at[k];
  }

  UNSKEW_INLINE static void run(const uint8_t* from, int64_t length, int64_t inner, int64_t* destination, int64_t begin,
                                int64_t end) {
    const T* source = reinterpret_cast<const T*>(from);
    for (int64_t i = begin; i < end;) {
      const int64_t first = i % inner, columns = std::min({kColumns, inner - first, end - i});
      const T* x = source + i / inner * length * inner + first;
      if (inner == 1) {
        T best = x[0];
        int64_t at = 0;
        for (int64_t k = 1; k < length; k++)
          if (takes_over<T, kLargest, kLast>(x[k], best)) best = x[k], at = k;
        destination[i] = at;
      } else {
        run_columns(x, length, inner, columns, destination + i);
      }
      i += columns;
    }
  }
};

using Run = void (*)(const uint8_t*, int64_t, int64_t, int64_t*, int64_t, int64_t);

template <class T>
std::pair<Run, int64_t> version(const ArgMaxParams& p, Isa isa) {
  const Run run = p.largest
                      ? (p.last ? version_of<ArgMax<T, true, true>>(isa) : version_of<ArgMax<T, true, false>>(isa))
                      : (p.last ? version_of<ArgMax<T, false, true>>(isa) : version_of<ArgMax<T, false, false>>(isa));
  return {run, sizeof(T)};
}

std::pair<Run, int64_t> version_and_bytes(const ArgMaxParams& p, Isa isa) {
  switch (p.type) {
    case RowType::f32: return version<float>(p, isa);
    case RowType::f64: return version<double>(p, isa);
    case RowType::s32: return version<int32_t>(p, isa);
    case RowType::u32: return version<uint32_t>(p, isa);
    case RowType::s64: return version<int64_t>(p, isa);
    case RowType::u64: return version<uint64_t>(p, isa);
    case RowType::s16: return version<int16_t>(p, isa);
    case RowType::u16: return version<uint16_t>(p, isa);
    case RowType::s8: return version<int8_t>(p, isa);
    default: return version<uint8_t>(p, isa);
  }
}

}  // namespace

KernelProgram make_arg_max(const ArgMaxParams& p, const KernelTarget& target) {
  require(p.length >= 1, "arg-max: the axis is empty");
  require(p.length <= INT32_MAX, "arg-max: the axis is longer than 2^31 - 1");
  const auto [run, bytes] = version_and_bytes(p, target.isa);
  KernelProgram program;
  program.arguments = {
      {.name = "source", .bytes = checked_product(p.outer, p.length, p.inner, bytes), .alignment = bytes},
      {.name = "destination",
       .bytes = checked_product(p.outer, p.inner, 8),
       .access = Access::write,
       .alignment = alignof(int64_t)}};
  program.run = [=, run = run, bytes = bytes, threads = target.threads](Addresses a) {
    auto* destination = reinterpret_cast<int64_t*>(a[1]);
    parallel(threads, p.outer * p.inner, p.length * bytes, 8,
             [&](int64_t begin, int64_t end, int) { run(a[0], p.length, p.inner, destination, begin, end); });
  };
  return program;
}

}  // namespace unskew
