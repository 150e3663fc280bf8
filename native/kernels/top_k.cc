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
        room_(std::min(p.length, 2 * p.count + kBlock)),
        entries_(checked_product(threads_, room_, static_cast<int64_t>(sizeof(Entry)))) {}

  void run(Addresses a) const {
    const auto* source = reinterpret_cast<const T*>(a[0]);
    auto* values = reinterpret_cast<T*>(a[1]);
    auto* positions = reinterpret_cast<int64_t*>(a[2]);
    parallel(threads_, p_.outer * p_.inner, p_.length * 16, 1, [&](int64_t begin, int64_t end, int thread) {
      Entry* entries = entries_.template as<Entry>() + thread * room_;
      for (int64_t lane = begin; lane < end; lane++) {
        const int64_t outer = lane / p_.inner, k = lane % p_.inner;
        const T* x = source + outer * p_.length * p_.inner + k;
        p_.largest ? find<true>(x, entries) : find<false>(x, entries);
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

  // The first of the entries become those that belong in front; returns how many are left.
  template <bool kLargest>
  int64_t reduce(Entry* entries, int64_t count) const {
    if (count <= p_.count) return count;
    std::nth_element(entries, entries + p_.count - 1, entries + count, is_before<kLargest>);
    return p_.count;
  }

  // Elements that do not pass the last of the first ones found so far are passed over: equal ones stand behind it.
  template <bool kLargest>
  void find(const T* x, Entry* entries) const {
    if (p_.count == 0) return;
    int64_t count = 0;
    bool has_limit = false;
    T limit{};
    for (int64_t begin = 0; begin < p_.length; begin += kBlock) {
      const int64_t end = std::min(begin + kBlock, p_.length);
      if (has_limit && !any_passes<kLargest>(x, begin, end, limit)) continue;
      for (int64_t i = begin; i < end; i++) {
        const T value = x[i * p_.inner];
        if (has_limit && !passes<kLargest>(value, limit)) continue;
        entries[count++] = {value, static_cast<int32_t>(i)};
      }
      if (count <= room_ - kBlock) continue;
      count = reduce<kLargest>(entries, count);
      if (count < p_.count) continue;
      limit = entries[p_.count - 1].value;
      has_limit = limit == limit;
    }
    std::sort(entries, entries + reduce<kLargest>(entries, count), is_before<kLargest>);
  }

  template <bool kLargest>
  static bool passes(T value, T limit) {
    return kLargest ? value > limit : value < limit;
  }

  template <bool kLargest>
  bool any_passes(const T* x, int64_t begin, int64_t end, T limit) const {
    if (p_.inner != 1) return true;
    int any = 0;
    for (int64_t i = begin; i < end; i++) any |= passes<kLargest>(x[i], limit) ? 1 : 0;
    return any != 0;
  }

  static constexpr int64_t kBlock = 256;

  TopKParams p_;
  int threads_;
  int64_t room_;  // for the first ones, as many more, and a block
  AlignedBuffer entries_;
};

// A program, and the bytes of an element.
using Version = std::pair<std::function<void(Addresses)>, int64_t>;

template <class T>
Version version(const TopKParams& p, const KernelTarget& target) {
  return {[top = std::make_shared<const TopK<T>>(p, target)](Addresses a) { top->run(a); }, sizeof(T)};
}

Version version_of(const TopKParams& p, const KernelTarget& target) {
  switch (p.type) {
    case RowType::f32: return version<float>(p, target);
    case RowType::f64: return version<double>(p, target);
    case RowType::s32: return version<int32_t>(p, target);
    case RowType::u32: return version<uint32_t>(p, target);
    case RowType::s64: return version<int64_t>(p, target);
    case RowType::u64: return version<uint64_t>(p, target);
    case RowType::s16: return version<int16_t>(p, target);
    case RowType::u16: return version<uint16_t>(p, target);
    case RowType::s8: return version<int8_t>(p, target);
    default: return version<uint8_t>(p, target);
  }
}

}  // namespace

KernelProgram make_top_k(const TopKParams& p, const KernelTarget& target) {
  require(p.count <= p.length, "top-k: there are not as many elements");
  require(p.length <= INT32_MAX, "top-k: the axis is longer than 2^31 - 1");
  const auto [run, bytes] = version_of(p, target);
  const int64_t results = checked_product(p.outer, p.count, p.inner);
  KernelProgram program;
  program.arguments = {
      {.name = "source", .bytes = checked_product(p.outer, p.length, p.inner, bytes), .alignment = bytes},
      {.name = "destination", .bytes = checked_product(results, bytes), .access = Access::write, .alignment = bytes},
      {.name = "positions", .bytes = checked_product(results, 8), .access = Access::write, .alignment = 8}};
  program.run = run;
  return program;
}

}  // namespace unskew
