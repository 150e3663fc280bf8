// The place of a window along one axis.
#pragma once

#include <algorithm>
#include <cstdint>

namespace unskew {

// Taps [first, last) lie inside the input, tap k at origin + k·dilation.
struct Taps {
  int64_t first, last, origin, dilation;
  int64_t at(int64_t tap) const { return origin + tap * dilation; }
  int64_t count() const { return last > first ? last - first : 0; }
};

inline Taps taps_of(int64_t position, int64_t stride, int64_t pad, int64_t dilation, int64_t kernel, int64_t input) {
  const int64_t origin = position * stride - pad;
  const int64_t first = origin >= 0 ? 0 : (-origin + dilation - 1) / dilation;
  const int64_t inside = input - origin;  // taps with tap·dilation < inside
  const int64_t last = inside <= 0 ? 0 : std::min(kernel, (inside + dilation - 1) / dilation);
  return {first, std::max(first, last), origin, dilation};
}

// The window of a position along an axis of a pool.
template <class Pool>
Taps taps_at(const Pool& p, int axis, int64_t position) {
  return taps_of(position, p.strides[axis], p.begin[axis], p.dilations[axis], p.kernel[axis], p.input[axis]);
}

}  // namespace unskew
