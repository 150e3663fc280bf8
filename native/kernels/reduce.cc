// Reductions along the middle of [outer, length, inner]. Neighbouring columns are reduced together: where all of them fit,
// element (i, k) of the flat run belongs to partial result (i·inner + k) mod (16·inner), which needs no second loop.
#include <bit>
#include <limits>

#include "kernels/float_functions.h"
#include "kernels/partial_sums.h"
#include "kernels/rows.h"

namespace unskew {

namespace {

constexpr int64_t kColumns = 128;  // reduced together; their partial results lie in the first cache

template <class T>
inline constexpr bool kIsFloat = std::is_floating_point_v<T>;

// Sums and products of integers wrap, so that they are those of unsigned ones.
template <class T>
using Arithmetic = std::conditional_t<kIsFloat<T>, double, std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>>;

template <class T>
struct Sum : SumOf<Arithmetic<T>> {
  UNSKEW_INLINE static Arithmetic<T> start() { return 0; }
  UNSKEW_INLINE static Arithmetic<T> result(Arithmetic<T> sum) { return sum; }
};

template <class T>
struct AbsoluteSum : Sum<T> {
  template <class V>
  UNSKEW_INLINE static void add(V& sum, const V& x) {
    sum += x < 0 ? -x : x;
  }
};

template <class T>
struct SquareSum : Sum<T> {
  template <class V>
  UNSKEW_INLINE static void add(V& sum, const V& x) {
    sum += x * x;
  }
};

template <class T>
struct Product : Converted<Arithmetic<T>> {
  UNSKEW_INLINE static Arithmetic<T> start() { return 1; }
  template <class V>
  UNSKEW_INLINE static void join(V& a, const V& b) {
    a *= b;
  }
  template <class V>
  UNSKEW_INLINE static void add(V& product, const V& x) {
    product *= x;
  }
  UNSKEW_INLINE static Arithmetic<T> result(Arithmetic<T> product) { return product; }
};

// Floats in the order of integers: −0 lies below +0, and NaN is the extreme that a reduction looks for.
template <class T, bool kMaximum>
struct Extreme {
  using Element = std::conditional_t<kIsFloat<T>, std::conditional_t<sizeof(T) == 4, int32_t, int64_t>, T>;
  using Limits = std::numeric_limits<Element>;
  static constexpr int kSign = static_cast<int>(sizeof(T)) * 8 - 1;
  static constexpr Element kFarthest = kMaximum ? Limits::max() : Limits::min();

  template <class V>
  UNSKEW_INLINE static void flip(V& bits) {
    bits ^= (bits >> kSign) & Limits::max();
  }
  UNSKEW_INLINE static Element start() {
    if constexpr (kIsFloat<T>) {
      const T infinity = std::numeric_limits<T>::infinity();
      Element key = std::bit_cast<Element>(kMaximum ? -infinity : infinity);
      flip(key);
      return key;
    } else {
      return kMaximum ? Limits::min() : Limits::max();
    }
  }
  template <class X, class V>
  UNSKEW_INLINE static void convert(const X& x, V& to) {
    std::memcpy(&to, &x, sizeof to);
    if constexpr (kIsFloat<T>) {
      constexpr Element kInfinity = std::bit_cast<Element>(std::numeric_limits<T>::infinity());
      V key = to;
      flip(key);
      to = (to & Limits::max()) > kInfinity ? V{} + kFarthest : key;
    }
  }
  template <class V>
  UNSKEW_INLINE static void join(V& a, const V& b) {
    if constexpr (kMaximum) {
      a = b > a ? b : a;
    } else {
      a = b < a ? b : a;
    }
  }
  template <class V>
  UNSKEW_INLINE static void add(V& most, const V& x) {
    join(most, x);
  }
  UNSKEW_INLINE static T result(Element key) {
    if constexpr (kIsFloat<T>) {
      if (key == kFarthest) return std::numeric_limits<T>::quiet_NaN();
      flip(key);
      return std::bit_cast<T>(key);
    } else {
      return key;
    }
  }
};

// Blocks of columns of [outer, length, inner]; `blocks` of them make up `inner`.
struct Rows {
  int64_t length, inner, columns, blocks;
  Reduction operation;
};

template <template <class> class Terms, class T>
struct Reduce {
  template <int kBytes>
  struct Loop {
    using Element = typename Terms<T>::Element;

    UNSKEW_INLINE static T finished(Element element, const Rows& rows) {
      const auto result = Terms<T>::result(element);
      if constexpr (std::is_same_v<Element, double>) {
        if (rows.operation == Reduction::mean) return static_cast<T>(result / static_cast<double>(rows.length));
        if (rows.operation == Reduction::l2) return static_cast<T>(std::sqrt(result));
        if (rows.operation == Reduction::log_sum) return static_cast<T>(functions::log64(result));
      }
      return static_cast<T>(result);
    }

    UNSKEW_INLINE static void run(const Rows* rows, const uint8_t* from, uint8_t* to, int64_t begin, int64_t end) {
      const T* source = reinterpret_cast<const T*>(from);
      T* destination = reinterpret_cast<T*>(to);
      const Terms<T> terms{};
      const auto [length, inner] = std::pair{rows->length, rows->inner};
      if (inner == 1) {
        for (int64_t i = begin; i < end; i++)
          destination[i] = finished(fold_run<kBytes>(terms, source + i * length, length, Terms<T>::start()), *rows);
        return;
      }
      Element results[kPartials * kColumns];
      for (int64_t i = begin; i < end; i++) {
        const int64_t outer = i / rows->blocks, first = i % rows->blocks * rows->columns;
        const int64_t columns = std::min(rows->columns, inner - first);
        const T* x = source + outer * length * inner + first;
        std::fill_n(results, kPartials * columns, Terms<T>::start());
        if (columns == inner) {
          for (int64_t at = 0, step = kPartials * inner; at < length * inner; at += step)
            join_elements<kBytes>(terms, x + at, std::min(step, length * inner - at), results);
        } else {
          for (int64_t row = 0; row < length; row++)
            join_elements<kBytes>(terms, x + row * inner, columns, results + row % kPartials * columns);
        }
        join_by_halves<Terms<T>>(results, columns);
        T* y = destination + outer * inner + first;
        for (int64_t k = 0; k < columns; k++) y[k] = finished(results[k], *rows);
      }
    }
  };
};

template <class T>
using Maximum = Extreme<T, true>;
template <class T>
using Minimum = Extreme<T, false>;

using Run = void (*)(const Rows*, const uint8_t*, uint8_t*, int64_t, int64_t);

template <class T>
Run version(Reduction operation, Isa isa) {
  // Sums of integers are those of unsigned ones.
  using Plain = std::conditional_t<kIsFloat<T>, T, std::make_unsigned_t<std::conditional_t<kIsFloat<T>, int, T>>>;
  switch (operation) {
    case Reduction::product: return wide_version_of<Reduce<Product, Plain>::template Loop>(isa);
    case Reduction::maximum: return wide_version_of<Reduce<Maximum, T>::template Loop>(isa);
    case Reduction::minimum: return wide_version_of<Reduce<Minimum, T>::template Loop>(isa);
    default: break;
  }
  if constexpr (kIsFloat<T>) {
    if (operation == Reduction::l1) return wide_version_of<Reduce<AbsoluteSum, T>::template Loop>(isa);
    if (operation == Reduction::l2 || operation == Reduction::sum_square)
      return wide_version_of<Reduce<SquareSum, T>::template Loop>(isa);
  } else {
    require(operation == Reduction::sum, "reduce: an operation over floats only");
  }
  return wide_version_of<Reduce<Sum, Plain>::template Loop>(isa);
}

std::pair<Run, int64_t> version_and_bytes(RowType type, Reduction operation, Isa isa) {
  switch (type) {
    case RowType::f32: return {version<float>(operation, isa), 4};
    case RowType::f64: return {version<double>(operation, isa), 8};
    case RowType::s32: return {version<int32_t>(operation, isa), 4};
    case RowType::u32: return {version<uint32_t>(operation, isa), 4};
    case RowType::s64: return {version<int64_t>(operation, isa), 8};
    case RowType::u64: return {version<uint64_t>(operation, isa), 8};
    case RowType::s16: return {version<int16_t>(operation, isa), 2};
    case RowType::u16: return {version<uint16_t>(operation, isa), 2};
    case RowType::s8: return {version<int8_t>(operation, isa), 1};
    default: return {version<uint8_t>(operation, isa), 1};
  }
}

}  // namespace

KernelProgram make_reduce(const ReduceParams& p, const KernelTarget& target) {
  const auto [run, bytes] = version_and_bytes(p.type, p.operation, target.isa);
  // Few columns are shared by the threads, whole cache lines each.
  const int64_t share = p.outer >= target.threads ? kColumns : (p.inner / target.threads + 15) / 16 * 16;
  Rows rows{.length = p.length,
            .inner = p.inner,
            .columns = std::clamp<int64_t>(share, 16, kColumns),
            .blocks = 1,
            .operation = p.operation};
  rows.blocks = std::max<int64_t>(1, (p.inner + rows.columns - 1) / rows.columns);
  const int64_t units = checked_product(p.outer, p.inner == 0 ? 0 : rows.blocks);
  const int64_t work = checked_product(p.length, std::min(rows.columns, p.inner), bytes);
  KernelProgram program;
  program.arguments = {
      {.name = "source", .bytes = checked_product(p.outer, p.length, p.inner, bytes), .alignment = bytes},
      {.name = "destination",
       .bytes = checked_product(p.outer, p.inner, bytes),
       .access = Access::write,
       .alignment = bytes}};
  program.run = [=, run = run, threads = target.threads](Addresses a) {
    parallel(threads, units, work, 1, [&](int64_t begin, int64_t end, int) { run(&rows, a[0], a[1], begin, end); });
  };
  return program;
}

}  // namespace unskew
