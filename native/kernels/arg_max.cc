// The positions of the largest or smallest elements along an axis: of equal ones the first, or the last. An element takes over when it
// compares so, which NaN never does.
#include <limits>
#include <type_traits>

#include "kernels/elementwise.h"
#include "kernels/rows.h"
#include "kernels/transpose.h"

namespace unskew {

namespace {

// A block of rows and columns, which a part of the work holds at a time.
constexpr int64_t kColumns = 256, kDepth = 64;

template <class T, bool kLargest, bool kLast>
UNSKEW_INLINE bool takes_over(T value, T best) {
  if constexpr (kLargest) return kLast ? value >= best : value > best;
  return kLast ? value <= best : value < best;
}

// Positions have the width of elements, so that vectors of both have as many lanes; `Position` holds all of one call.
template <class T>
using Narrow = std::conditional_t<sizeof(T) == 1, uint8_t, std::conditional_t<sizeof(T) == 2, uint16_t, uint32_t>>;

template <class T, class Position, bool kLargest, bool kLast>
struct Better {
  // Rows [first, first + rows) of columns side by side, `step` apart.
  UNSKEW_INLINE static void run(const T* source, int64_t first, int64_t rows, int64_t step, int64_t columns, T* best,
                                Position* at) {
    for (int64_t i = 0; i < rows; i++) {
      const T* row = source + i * step;
      const auto position = static_cast<Position>(first + i);
      for (int64_t k = 0; k < columns; k++) {
        const bool is_better = takes_over<T, kLargest, kLast>(row[k], best[k]);
        best[k] = is_better ? row[k] : best[k];
        at[k] = is_better ? position : at[k];
      }
    }
  }
};

// The columns of an image of unsigned integers as wide as T.
template <class T>
using Bits = std::conditional_t<sizeof(T) == 8, uint64_t, Narrow<T>>;

template <class T, class Position>
using BetterRun = void (*)(const T*, int64_t, int64_t, int64_t, int64_t, T*, Position*);

// Results [begin, end) of [outer, length, inner].
template <class T, class Position>
void find(BetterRun<T, Position> better, Isa isa, const uint8_t* from, int64_t length, int64_t inner,
          int64_t* destination, int64_t begin, int64_t end) {
  const T* source = reinterpret_cast<const T*>(from);
  T best[kColumns], turned[kColumns * kDepth];
  Position at[kColumns];
  for (int64_t i = begin; i < end;) {
    // Rows that lie one behind the other are turned, part by part.
    const int64_t first = i % inner, columns = std::min({kColumns, inner == 1 ? end : inner - first, end - i});
    const T* x = source + i / inner * length * inner + first;
    std::fill_n(at, columns, Position{0});
    if (inner > 1) {
      std::copy_n(x, columns, best);
      better(x + inner, 1, length - 1, inner, columns, best, at);
    } else {
      for (int64_t k = 0; k < columns; k++) best[k] = x[k * length];
      for (int64_t depth = 0; depth < length; depth += kDepth) {
        const int64_t count = std::min(kDepth, length - depth);
        transpose_block(isa, reinterpret_cast<const Bits<T>*>(x + depth), length, reinterpret_cast<Bits<T>*>(turned), columns,
                        count, columns);
        const int64_t skipped = depth == 0 ? 1 : 0;
        better(turned + skipped * columns, depth + skipped, count - skipped, columns, columns, best, at);
      }
    }
    for (int64_t k = 0; k < columns; k++) destination[i + k] = static_cast<int64_t>(at[k]);
    i += columns;
  }
}

// One row, or few: nothing lies side by side.
template <class T, bool kLargest, bool kLast>
int64_t find_in_row(const T* x, int64_t length) {
  T best = x[0];
  int64_t at = 0;
  for (int64_t k = 1; k < length; k++)
    if (takes_over<T, kLargest, kLast>(x[k], best)) best = x[k], at = k;
  return at;
}

constexpr int64_t kFewRows = 8;

using Run = std::function<void(const uint8_t*, int64_t*, int64_t, int64_t)>;

template <class T, bool kLargest, bool kLast>
Run of_order(const ArgMaxParams& p, Isa isa) {
  const int64_t length = p.length, inner = p.inner;
  const auto by_position = [=]<class Position>(Position) -> Run {
    const auto better = version_of<Better<T, Position, kLargest, kLast>>(isa);
    return [=](const uint8_t* from, int64_t* to, int64_t begin, int64_t end) {
      find<T, Position>(better, isa, from, length, inner, to, begin, end);
    };
  };
  if (inner == 1 && p.outer < kFewRows)
    return [=](const uint8_t* from, int64_t* to, int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++)
        to[i] = find_in_row<T, kLargest, kLast>(reinterpret_cast<const T*>(from) + i * length, length);
    };
  if (length - 1 <= std::numeric_limits<Narrow<T>>::max()) return by_position(Narrow<T>{});
  return by_position(uint32_t{});
}

template <class T>
std::pair<Run, int64_t> version(const ArgMaxParams& p, Isa isa) {
  const Run run = p.largest ? (p.last ? of_order<T, true, true>(p, isa) : of_order<T, true, false>(p, isa))
                            : (p.last ? of_order<T, false, true>(p, isa) : of_order<T, false, false>(p, isa));
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
    parallel(threads, p.outer * p.inner, p.length * bytes, kColumns,
             [&](int64_t begin, int64_t end, int) { run(a[0], destination, begin, end); });
  };
  return program;
}

}  // namespace unskew
