// N-D index spaces with strides, in elements.
#pragma once

#include <algorithm>
#include <array>
#include <cstdlib>
#include <numeric>
#include <string>
#include <vector>

#include "checks.h"

namespace unskew {

// The elements that a strided view touches: [first, last].
struct Extent {
  int64_t first, last;
};

inline Extent extent_of(const std::vector<int64_t>& shape, const std::vector<int64_t>& strides, int64_t offset) {
  Extent extent{offset, offset};
  for (size_t axis = 0; axis < shape.size(); axis++) {
    const int64_t reach = checked_multiply(shape[axis] - 1, strides[axis]);
    (reach < 0 ? extent.first : extent.last) = checked_add(reach < 0 ? extent.first : extent.last, reach);
  }
  return extent;
}

// No two elements may land in the same place: threads would race. `name` says whose strides these are.
inline void require_distinct(const char* name, const std::vector<int64_t>& shape, const std::vector<int64_t>& strides) {
  std::vector<size_t> order(shape.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return std::abs(strides[a]) < std::abs(strides[b]); });
  int64_t reach = 0;
  for (size_t axis : order) {
    if (shape[axis] <= 1) continue;
    require(std::abs(strides[axis]) > reach, std::string(name) + " make elements of the destination overlap");
    reach = checked_add(reach, checked_multiply(shape[axis] - 1, std::abs(strides[axis])));
  }
}

inline std::vector<int64_t> row_major_strides(const std::vector<int64_t>& shape) {
  std::vector<int64_t> strides(shape.size());
  int64_t stride = 1;
  for (size_t axis = shape.size(); axis-- > 0;) {
    strides[axis] = stride;
    stride = checked_multiply(stride, std::max<int64_t>(1, shape[axis]));
  }
  return strides;
}

// A shape with the strides of kViews tensors over it, axes of size 1 dropped and axes joined where all views allow.
template <size_t kViews>
struct StridedSpace {
  std::vector<int64_t> shape;
  std::vector<std::array<int64_t, kViews>> strides;

  void add_axis(int64_t size, const std::array<int64_t, kViews>& axis_strides) {
    if (size == 1) return;
    if (!shape.empty()) {
      bool joined = true;
      for (size_t v = 0; v < kViews; v++) joined = joined && strides.back()[v] == axis_strides[v] * size;
      if (joined) {
        shape.back() *= size;
        strides.back() = axis_strides;
        return;
      }
    }
    shape.push_back(size);
    strides.push_back(axis_strides);
  }

  // Never empty: one axis of one element at least.
  void finish() {
    if (shape.empty()) {
      shape.push_back(1);
      strides.push_back({});
    }
  }
};

// Walks the outer axes of a space in row-major order, keeping the offset of each view.
template <size_t kViews>
class Walk {
 public:
  // `outer_axes` are the first axes of the space; starts at position `start` of them.
  Walk(const StridedSpace<kViews>& space, size_t outer_axes, int64_t start)
      : space_(space), axes_(outer_axes), index_(outer_axes) {
    for (size_t axis = outer_axes; axis-- > 0;) {
      index_[axis] = start % space.shape[axis];
      start /= space.shape[axis];
      for (size_t v = 0; v < kViews; v++) offset[v] += index_[axis] * space.strides[axis][v];
    }
  }

  void next() {
    for (size_t axis = axes_; axis-- > 0;) {
      for (size_t v = 0; v < kViews; v++) offset[v] += space_.strides[axis][v];
      if (++index_[axis] < space_.shape[axis]) return;
      for (size_t v = 0; v < kViews; v++) offset[v] -= space_.strides[axis][v] * space_.shape[axis];
      index_[axis] = 0;
    }
  }

  std::array<int64_t, kViews> offset{};

 private:
  const StridedSpace<kViews>& space_;
  size_t axes_;
  std::vector<int64_t> index_;
};

}  // namespace unskew
