// The largest or smallest elements along the middle of [outer, length, inner] in their order, of equal ones the first in front; NaN last.
#include <algorithm>
#include <type_traits>

#include "kernels/rows.h"

namespace unskew {

namespace {

template <class T>
class TopK {
 public:
  TopK(const TopKParams& p, const KernelTarget& target)
      : p_(p),
        threads_(std::max(1, target.threads)),
        entries_(checked_product(threads_, p.length, static_cast<int64_t>(sizeof(Entry)))) {}

  void run(Addresses a) const {
    const auto* source = reinterpret_cast<const T*>(a[0]);
    auto* values = reinterpret_cast<T*>(a[1]);
    auto* positions = reinterpret_cast<int64_t*>(a[2]);
    parallel(threads_, p_.outer * p_.inner, p_.length * 16, 1, [&](int64_t begin, int64_t end, int thread) {
      Entry* entries = entries_.template as<Entry>() + thread * p_.length;
      for (int64_t lane = begin; lane < end; lane++) {
        const int64_t outer = lane / p_.inner, k = lane % p_.inner;
        const T* x = source + outer * p_.length * p_.inner + k;
        for (int64_t i = 0; i < p_.length; i++) entries[i] = {x[i * p_.inner], static_cast<int32_t>(i)};
        sort(entries);
        const int64_t first = outer * p_.count * p_.inner + k;
        for (int64_t i = 0; i < p_.count; i++) {
          values[first + i * p_.inner] = entries[i].value;
          positions[first + i * p_.inner] = entries[i].position;
        }
      }
    });
  }

 private:
  struct Entry {
    T value;
    int32_t position;
  };

  template <bool kLargest>
  static bool is_before(const Entry& a, const Entry& b) {
    if constexpr (std::is_floating_point_v<T>) {
      const bool is_nan = a.value != a.value, other_is_nan = b.value != b.value;
      if (is_nan || other_is_nan) return is_nan == other_is_nan ? a.position < b.position : other_is_nan;
    }
    if (a.value == b.value) return a.position < b.position;
    return kLargest ? a.value > b.value : a.value < b.value;
  }

  // The first ones are found, and then put in order.
  template <bool kLargest>
  void sort_by(Entry* entries) const {
    Entry *middle = entries + p_.count, *end = entries + p_.length;
    if (middle < end) std::nth_element(entries, middle, end, is_before<kLargest>);
    std::sort(entries, middle, is_before<kLargest>);
  }
  void sort(Entry* entries) const { p_.largest ? sort_by<true>(entries) : sort_by<false>(entries); }

  TopKParams p_;
  int threads_;
  AlignedBuffer entries_;
};

template <class T>
std::function<void(Addresses)> program_of(const TopKParams& p, const KernelTarget& target) {
  return [top = std::make_shared<const TopK<T>>(p, target)](Addresses a) { top->run(a); };
}

}  // namespace

KernelProgram make_top_k(const TopKParams& p, const KernelTarget& target) {
  require(p.count <= p.length, "top-k: there are not as many elements");
  require(p.length <= INT32_MAX, "top-k: the axis is longer than 2^31 - 1");
  const bool is_wide = p.type == RowType::f64 || p.type == RowType::s64;
  const int64_t bytes = is_wide ? 8 : 4, results = checked_product(p.outer, p.count, p.inner);
  KernelProgram program;
  program.arguments = {
      {.name = "source", .bytes = checked_product(p.outer, p.length, p.inner, bytes), .alignment = bytes},
      {.name = "destination", .bytes = checked_product(results, bytes), .access = Access::write, .alignment = bytes},
      {.name = "positions", .bytes = checked_product(results, 8), .access = Access::write, .alignment = 8}};
  switch (p.type) {
    case RowType::f32: program.run = program_of<float>(p, target); break;
    case RowType::f64: program.run = program_of<double>(p, target); break;
    case RowType::s32: program.run = program_of<int32_t>(p, target); break;
    case RowType::s64: program.run = program_of<int64_t>(p, target); break;
    default: require(false, "top-k: the type is f32, f64, s32 or s64");
  }
  return program;
}

}  // namespace unskew
